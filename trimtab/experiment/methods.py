"""Methods: published ones by name, or composed of label steps, a schedule, an objective and a conflict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.comparison.controls import CONTROLS
from trimtab.components import known
from trimtab.conflicts import CONFLICTS
from trimtab.conflicts.conflict import Conflict
from trimtab.errors import ExperimentError, did_you_mean
from trimtab.experiment.models import nested
from trimtab.experiment.named import component, in_words, named
from trimtab.fields import NAME_RULE, build, check_keys, is_name, one_of, typed
from trimtab.methods import METHODS, Method
from trimtab.objectives import OBJECTIVES
from trimtab.objectives.naive import Naive
from trimtab.schedules import SCHEDULES
from trimtab.schedules.schedule import Schedule
from trimtab.supervise import LABEL_STEPS
from trimtab.types import InformedStep, LabelStep, Objective, SelfTargeted

COMPOSED = ("name", "labels", "schedule", "objective", "conflict")
"""Keys of a method that is not a published one."""


def methods(values: Any, folder: Path) -> tuple[Method, ...]:
    """Read the list of methods; their names are all different, and none is a control's."""
    if not isinstance(values, list) or not values:
        raise ExperimentError(f"methods: found {in_words(values)}, wanted a list with at least one method")
    found = tuple(_method(one, f"methods.{i}", folder) for i, one in enumerate(values))
    names = [method.name for method in found]
    for i, name in enumerate(names):
        if not is_name(name):
            raise ExperimentError(f"methods.{i}.name: found {name!r}, wanted {NAME_RULE}; give it a `name`")
        if name in CONTROLS:
            raise ExperimentError(f"methods.{i}.name: {name!r} is a control's name; give the method another `name`")
        if name in names[:i]:
            raise ExperimentError(f"methods.{i}: the name {name!r} is taken; give one of the two another `name`")
        composed = found[i].labels or found[i].schedule or found[i].conflict
        if name == "naive" and (type(found[i].objective) is not Naive or composed):
            raise ExperimentError(
                f"methods.{i}.name: 'naive' is what all methods are compared with; give this one another `name`"
            )
    return found


def _method(values: Any, path: str, folder: Path) -> Method:
    if isinstance(values, dict) and {"objective", "schedule", "conflict", "labels"} & set(values):
        return _composed(values, path, folder)
    if isinstance(values, dict) and "name" in values:
        check_keys(values, COMPOSED, path)
        raise ExperimentError(
            f"{path}: found a name alone; wanted one or more of labels, schedule, objective and conflict beside it"
        )
    name, settings = named(values, path)
    published = METHODS.get(name)
    if published is None:
        if ".py:" not in name and name not in OBJECTIVES and name not in known("trimtab.objectives", OBJECTIVES):
            names = {*METHODS, *known("trimtab.objectives", OBJECTIVES)}
            raise ExperimentError(f"{path}: found {name!r}, which is no method.{did_you_mean(name, names)}")
        return Method(_short(name), _objective({name: settings}, path, folder))
    steps = [{step: dict(step_settings)} for step, step_settings in published.labels]
    objective = _objective({published.objective: {**published.settings, **settings}}, f"{path}.{name}", folder)
    return Method(name, objective, _steps(steps, path, folder))


def _composed(values: dict[str, Any], path: str, folder: Path) -> Method:
    check_keys(values, COMPOSED, path)
    objective = _objective(values.get("objective", "naive"), f"{path}.objective", folder)
    labels = _steps(values.get("labels", []), f"{path}.labels", folder)
    schedule = _schedule(values["schedule"], f"{path}.schedule", folder) if "schedule" in values else None
    conflict = _conflict(values["conflict"], f"{path}.conflict") if "conflict" in values else None
    own = [values[key] for key in ("conflict", "schedule", "objective") if values.get(key, "naive") != "naive"]
    called = "-".join(named(one, path)[0] for one in own[:1] or values.get("labels") or ["naive"])
    return Method(
        name=typed(str, values.get("name", _short(called)), f"{path}.name"),
        objective=objective,
        labels=labels,
        schedule=schedule,
        conflict=conflict,
    )


def _short(name: str) -> str:
    """Return what a method is called whose objective has this name: of a user's own file, the class in lower case."""
    return name.rpartition(":")[2].lower() if ".py:" in name else name


def _objective(value: Any, path: str, folder: Path) -> Objective:
    name, settings = named(value, path)
    found = build(component(name, "trimtab.objectives", OBJECTIVES, folder, path), settings, path)
    _check_members(found, ("truth", "scheduled", "curvature", "statistics"), f"{path}: {name!r} is not an objective")
    if not (isinstance(found.curvature, int | float) and 0 < found.curvature < math.inf):
        raise ExperimentError(
            f"{path}: {name!r} has the curvature {found.curvature!r}; wanted a number above 0, at least the largest "
            "curvature of one example's loss in its logits"
        )
    if isinstance(found, SelfTargeted) and callable(found.target) and not found.scheduled:
        raise ExperimentError(
            f"{path}: {name!r} has a `target` that moves with the student, and `scheduled` is {found.scheduled}; "
            "wanted True: where the target moves, a fit takes a stated number of steps"
        )
    return found


def _check_members(found: Any, members: Sequence[str], what: str) -> None:
    """Raise ExperimentError that names the members which a component of the user's own lacks."""
    missing = [name for name in members if not hasattr(found, name)]
    missing += [] if callable(found) else ["__call__"]
    if missing:
        raise ExperimentError(f"{what}: it lacks {', '.join(missing)}; see docs/adding-a-method.md")


def _schedule(value: Any, path: str, folder: Path) -> Schedule:
    name, settings = named(value, path)
    one_of(name, SCHEDULES, path)  # a schedule is stages of the plan, which other packages cannot add to
    return nested(component(name, "trimtab.schedules", SCHEDULES, folder, path), settings, f"{path}.{name}", folder)


def _conflict(value: Any, path: str) -> Conflict:
    name, settings = named(value, path)
    one_of(name, CONFLICTS, path)  # stages of the plan, as schedules are
    return build(component(name, "trimtab.conflicts", CONFLICTS, Path(), path), settings, f"{path}.{name}")


def _steps(values: Any, path: str, folder: Path) -> tuple[LabelStep | InformedStep, ...]:
    if not isinstance(values, list):
        raise ExperimentError(f"{path}: found {in_words(values)}, wanted a list of label steps")
    return tuple(_step(one, f"{path}.{i}", folder) for i, one in enumerate(values))


def _step(value: Any, path: str, folder: Path) -> LabelStep | InformedStep:
    name, settings = named(value, path)
    found = build(component(name, "trimtab.label_steps", LABEL_STEPS, folder, path), settings, path)
    if isinstance(found, Objective):
        raise ExperimentError(f"{path}: {name!r} is an objective, not a label step; name it under `objective`")
    _check_members(found, ("truth",), f"{path}: {name!r} is not a label step")
    return found
