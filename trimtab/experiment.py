"""The experiment file: strict YAML in, one frozen value out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from trimtab.comparison.controls import CONTROLS, USUAL
from trimtab.comparison.learning_curves import LearningCurves
from trimtab.components import find, known
from trimtab.conflicts import CONFLICTS
from trimtab.conflicts.conflict import Conflict
from trimtab.errors import ExperimentError, UsageError, did_you_mean
from trimtab.fields import NAME_RULE, build, check_keys, is_name, one_of, typed
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.learner import Learner
from trimtab.methods import METHODS, Method
from trimtab.metrics import METRICS, OF_CHOICES
from trimtab.objectives import OBJECTIVES
from trimtab.objectives.naive import Naive
from trimtab.schedules import SCHEDULES
from trimtab.schedules.chain import Chain
from trimtab.schedules.schedule import Schedule
from trimtab.supervise import LABEL_STEPS
from trimtab.supervisors import SUPERVISORS
from trimtab.supervisors.adaboost import AdaBoost
from trimtab.supervisors.annotator import Annotator
from trimtab.supervisors.bagging import Bagging
from trimtab.supervisors.ccs import ContrastConsistent
from trimtab.supervisors.dirichlet_ensemble import DirichletEnsemble
from trimtab.supervisors.human_ratings import HumanRatings
from trimtab.supervisors.icm import InternalCoherence
from trimtab.supervisors.mean_ensemble import MeanEnsemble
from trimtab.supervisors.prompted import Prompted
from trimtab.supervisors.trained_on_ratings import TrainedOnRatings
from trimtab.tasks import TASKS, Task
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.splits import SplitSettings
from trimtab.types import InformedStep, LabelStep, ModelSpec, Objective
from trimtab.yaml_file import override, read_yaml

Asked = Prompted | ContrastConsistent | InternalCoherence
"""Supervisors that are a model which is never trained."""
Trained = TrainedOnRatings | Bagging | AdaBoost
"""Supervisors that train one weak model in a way of their own."""
Supervisor = Learner | HumanRatings | Annotator | MeanEnsemble | DirichletEnsemble | Trained | Asked
"""Whoever gives weak labels: a model that learns, or one of `trimtab/supervisors/`."""
FITS: Mapping[str, type] = {"probe": Probe, "tune": Tune}
_KEYS = ("name", "study", "task", "split", "weak", "strong", "methods", "seeds")
_KEYS += ("controls", "curves", "metrics", "cuts")
_SIZES = ("supervisor", "transfer", "test")


@dataclass(frozen=True)
class Experiment:
    """A whole weak-to-strong study as one value."""

    name: str
    """Name of the run's folder: A to Z, a to z, 0 to 9, '-', '_' and '.'."""
    task: Any
    """Settings of a task."""
    split: SplitSettings
    """Sizes of the three splits and of the pool."""
    weak: tuple[Supervisor, ...]
    """Weak supervisors; every pair with a strong student is run."""
    strong: tuple[Learner, ...]
    """Strong students."""
    methods: tuple[Method, ...]
    """How the students learn."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Repetitions; each draws its own supervisor and transfer items from the pool."""
    controls: tuple[str, ...] = USUAL
    """Controls that run beside the methods."""
    curves: LearningCurves | None = None
    """Learning curves of every pair; none draws none."""
    metrics: tuple[str, ...] = tuple(METRICS)
    """What is reported, the main one first; without it all metrics, or those that suit a task of choices."""
    second: int | None = None
    """Items of the second goal, for methods with an implicit conflict."""
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Where the parts of the test split by one of the task's numbers are cut; none = terciles."""
    text: str = ""
    """The file it was read from, for the report."""

    def models(self) -> Iterator[tuple[str, ModelSpec]]:
        """Yield every model with its place in the file."""
        for side, entries in (("weak", self.weak), ("strong", self.strong)):
            for place, one in enumerate(entries):
                if isinstance(one, Asked):
                    yield f"{side}.{place}.{one.name}.model", one.model
                for learner in learners_of(one):
                    yield f"{side}.{place}.model", learner.spec
        for place, method in enumerate(self.methods):
            for learner in method.schedule.through if isinstance(method.schedule, Chain) else ():
                yield f"methods.{place}.schedule.chain.through", learner.spec


def learners_of(supervisor: Supervisor) -> tuple[Learner, ...]:
    """The models that are trained for a supervisor."""
    if isinstance(supervisor, Learner):
        return (supervisor,)
    if isinstance(supervisor, MeanEnsemble | DirichletEnsemble):
        return supervisor.members
    return (supervisor.model,) if isinstance(supervisor, Trained) else ()


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file; each override is "path.to.value=YAML".

    Raises ExperimentError naming the path in the file, what was found and what was wanted.
    """
    path = Path(path)
    values, text = read_yaml(path)
    for one in overrides:
        override(values, one)
    if overrides:
        text = f"{text.rstrip()}\n# overrides: {' '.join(overrides)}\n"
    return parse(values, path.parent, text)


def parse(values: Any, folder: Path, text: str = "") -> Experiment:
    """Return the experiment that plain values (as read from YAML) describe; paths are relative to `folder`."""
    if not isinstance(values, dict):
        raise ExperimentError(f"the experiment must be a mapping of keys to values, found {_kind(values)}")
    check_keys(values, _KEYS, "")
    for key in ("name", "task", "weak", "strong", "methods"):
        if key not in values:
            raise ExperimentError(f"{key}: the key is missing; every experiment needs it")
    if values.get("study", "generalize") != "generalize":
        raise ExperimentError(f'study: found {values["study"]!r}, wanted "generalize"')
    name = typed(str, values["name"], "name")
    if not is_name(name):
        raise ExperimentError(f"name: found {name!r}, wanted {NAME_RULE}")
    task, split = _task(values["task"], values.get("split", {}), folder)
    return Experiment(
        name=name,
        task=task,
        split=split,
        weak=_supervisors(values["weak"], folder),
        strong=_learners(values["strong"], "strong", folder),
        methods=_methods(values["methods"], folder),
        seeds=_seeds(values.get("seeds", [0, 1, 2, 3, 4])),
        controls=_controls(values.get("controls", True)),
        curves=_curves(values.get("curves", False)),
        metrics=_metrics(values.get("metrics", list(OF_CHOICES if getattr(task, "listwise", False) else METRICS))),
        second=_second(values["task"]),
        cuts=_cuts(values.get("cuts", {})),
        text=text,
    )


def _task(values: Any, split: Any, folder: Path) -> tuple[Any, SplitSettings]:
    if not isinstance(values, dict) or "kind" not in values:
        raise ExperimentError(f"task: found {_kind(values)}, wanted a mapping with a key `kind`")
    kind = typed(str, values["kind"], "task.kind")
    cls = _component(kind, "trimtab.tasks", TASKS, folder, "task.kind")
    sizes = {key: values[key] for key in _SIZES if key in values}
    settings = {key: value for key, value in values.items() if key not in ("kind", "second", *_SIZES)}
    for key in (one for one in settings if one == "path" or one.endswith("_path")):
        path = settings[key]
        here = kind in ("file", "features", "pairs", "choices") or (
            isinstance(path, str) and (folder / Path(path).expanduser()).exists()
        )
        if isinstance(path, str) and here:
            settings[key] = str(folder / Path(path).expanduser())
    if not isinstance(split, dict):
        raise ExperimentError(f"split: found {_kind(split)}, wanted a mapping")
    clash = sorted(set(split) & set(_SIZES))
    if clash:
        raise ExperimentError(f"split.{clash[0]}: the sizes of the splits belong under task; move it there")
    for key, size in sizes.items():  # one by one, so that a message names the place where the user wrote it
        build(SplitSettings, {key: size}, "task")
    task = build(cls, settings, "task")
    if not isinstance(task, Task):
        raise ExperimentError(f"task.kind: {kind!r} is not a task; it needs the members of trimtab.tasks.Task")
    # a key that only a split by level has asks for one
    by_level = {one.name for one in fields(ByLevel)} - {one.name for one in fields(SplitSettings)}
    return task, build(ByLevel if by_level & set(split) else SplitSettings, sizes | split, "split")


def _second(task: Mapping[str, Any]) -> int | None:
    size = typed(int | None, task.get("second"), "task.second")
    if size is not None and size < 1:
        raise ExperimentError(f"task.second: found {size}, wanted at least 1 item of the second goal")
    return size


def _learners(values: Any, path: str, folder: Path) -> tuple[Learner, ...]:
    entries = values if isinstance(values, list) else [values]
    if not entries:
        raise ExperimentError(f"{path}: the list is empty; name at least one model")
    return tuple(_learner(one, f"{path}.{i}", folder) for i, one in enumerate(entries))


def _supervisors(values: Any, folder: Path) -> tuple[Supervisor, ...]:
    entries = values if isinstance(values, list) else [values]
    if not entries:
        raise ExperimentError("weak: the list is empty; name at least one supervisor")
    return tuple(_supervisor(one, f"weak.{i}", folder) for i, one in enumerate(entries))


def _supervisor(values: Any, path: str, folder: Path) -> Supervisor:
    """Read a model with its fit, or `{name of a supervisor: {settings}}`."""
    if isinstance(values, str) and values in SUPERVISORS:
        values = {values: {}}
    if isinstance(values, dict) and len(values) == 1 and next(iter(values)) in SUPERVISORS:
        name, settings = _named(values, path)
        return _nested(find(name, "trimtab.supervisors", SUPERVISORS, folder), settings, f"{path}.{name}", folder)
    if isinstance(values, dict) and len(values) == 1 and "model" not in values:
        found = str(next(iter(values)))
        raise ExperimentError(
            f"{path}.{found}: found neither the key `model` nor a supervisor."
            f"{did_you_mean(found, [*SUPERVISORS, 'model'])}"
        )
    return _learner(values, path, folder)


def _nested(cls: type, settings: Mapping[str, Any], path: str, folder: Path) -> Any:
    """Return settings of which some are models, each written as elsewhere in the file."""
    hints = get_type_hints(cls)
    made: dict[str, Any] = {}
    for key, value in settings.items():
        if hints.get(key) == tuple[Learner, ...]:
            # how many are needed, the settings themselves say
            made[key] = () if value == [] else _learners(value, f"{path}.{key}", folder)
        elif hints.get(key) is Learner:
            made[key] = _learner(value, f"{path}.{key}", folder)
        elif hints.get(key) is ModelSpec:
            made[key] = _spec({"model": value} if isinstance(value, str) else value, f"{path}.{key}", folder)
    return build(cls, {key: value for key, value in settings.items() if key not in made}, path, made)


def _learner(values: Any, path: str, folder: Path) -> Learner:
    if isinstance(values, str):
        values = {"model": values}
    if not isinstance(values, dict):
        raise ExperimentError(f"{path}: found {_kind(values)}, wanted a mapping with a key `model`")
    fit_name, fit_settings = _named(values.get("fit", "probe"), f"{path}.fit", key="kind")
    cls = one_of(fit_name, FITS, f"{path}.fit")
    spec = {key: value for key, value in values.items() if key != "fit"}
    return Learner(_spec(spec, path, folder), build(cls, fit_settings, f"{path}.fit"))


def _spec(values: Any, path: str, folder: Path) -> ModelSpec:
    if not isinstance(values, dict):
        raise ExperimentError(f"{path}: found {_kind(values)}, wanted a mapping with a key `model`")
    model = values.get("model")
    if isinstance(model, str) and (model.startswith((".", "~")) or (folder / model).exists()):
        values = values | {"model": str((folder / Path(model).expanduser()).resolve())}
    return build(ModelSpec, values, path)


def _methods(values: Any, folder: Path) -> tuple[Method, ...]:
    if not isinstance(values, list) or not values:
        raise ExperimentError(f"methods: found {_kind(values)}, wanted a list with at least one method")
    methods = tuple(_method(one, f"methods.{i}", folder) for i, one in enumerate(values))
    names = [method.name for method in methods]
    for i, name in enumerate(names):
        if not is_name(name):
            raise ExperimentError(f"methods.{i}.name: found {name!r}, wanted {NAME_RULE}")
        if name in CONTROLS:
            raise ExperimentError(f"methods.{i}.name: {name!r} is a control's name; give the method another `name`")
        if name in names[:i]:
            raise ExperimentError(f"methods.{i}: the name {name!r} is taken; give one of the two another `name`")
        composed = methods[i].labels or methods[i].schedule or methods[i].conflict
        if name == "naive" and (type(methods[i].objective) is not Naive or composed):
            raise ExperimentError(
                f"methods.{i}.name: 'naive' is what all methods are compared with; give this one another `name`"
            )
    return methods


def _method(values: Any, path: str, folder: Path) -> Method:
    if isinstance(values, dict) and {"objective", "schedule", "conflict", "labels"} & set(values):
        check_keys(values, ("name", "labels", "schedule", "objective", "conflict"), path)
        objective = values.get("objective", "naive")
        schedule = _schedule(values["schedule"], f"{path}.schedule", folder) if "schedule" in values else None
        conflict = _conflict(values["conflict"], f"{path}.conflict") if "conflict" in values else None
        own = [values[key] for key in ("conflict", "schedule", "objective") if values.get(key, "naive") != "naive"]
        called = "-".join(_named(one, path)[0] for one in own[:1] or values.get("labels") or ["naive"])
        return Method(
            name=typed(str, values.get("name", _short(called)), f"{path}.name"),
            objective=_objective(objective, f"{path}.objective", folder),
            labels=_steps(values.get("labels", []), f"{path}.labels", folder),
            schedule=schedule,
            conflict=conflict,
        )
    if isinstance(values, dict) and "name" in values:
        raise ExperimentError(
            f"{path}: found a name alone; wanted one or more of labels, schedule, objective and conflict beside it"
        )
    name, settings = _named(values, path)
    published = METHODS.get(name)
    if published is None:
        if ".py:" not in name and name not in OBJECTIVES and name not in known("trimtab.objectives", OBJECTIVES):
            names = {*METHODS, *known("trimtab.objectives", OBJECTIVES)}
            raise ExperimentError(f"{path}: found {name!r}, which is no method.{did_you_mean(name, names)}")
        return Method(_short(name), _objective({name: settings}, path, folder))
    steps = [{step: dict(step_settings)} for step, step_settings in published.labels]
    objective = _objective({published.objective: {**published.settings, **settings}}, f"{path}.{name}", folder)
    return Method(name, objective, _steps(steps, path, folder))


def _short(name: str) -> str:
    """Return what a method is called whose objective has this name: of a user's own file, the class in lower case."""
    return name.rpartition(":")[2].lower() if ".py:" in name else name


def _objective(value: Any, path: str, folder: Path) -> Objective:
    name, settings = _named(value, path)
    found = build(_component(name, "trimtab.objectives", OBJECTIVES, folder, path), settings, path)
    _check_members(found, ("truth", "scheduled", "curvature", "statistics"), f"{path}: {name!r} is not an objective")
    if not (isinstance(found.curvature, int | float) and 0 < found.curvature < math.inf):
        raise ExperimentError(
            f"{path}: {name!r} has the curvature {found.curvature!r}; wanted a number above 0, at least the largest "
            "curvature of one example's loss in its logits"
        )
    return found


def _check_members(found: Any, members: Sequence[str], what: str) -> None:
    """Raise ExperimentError that names the members which a component of the user's own lacks."""
    missing = [name for name in members if not hasattr(found, name)]
    missing += [] if callable(found) else ["__call__"]
    if missing:
        raise ExperimentError(f"{what}: it lacks {', '.join(missing)}; see docs/adding-a-method.md")


def _schedule(value: Any, path: str, folder: Path) -> Schedule:
    name, settings = _named(value, path)
    one_of(name, SCHEDULES, path)  # a schedule is stages of the plan, which other packages cannot add to
    return _nested(_component(name, "trimtab.schedules", SCHEDULES, folder, path), settings, f"{path}.{name}", folder)


def _conflict(value: Any, path: str) -> Conflict:
    name, settings = _named(value, path)
    one_of(name, CONFLICTS, path)  # stages of the plan, as schedules are
    return build(_component(name, "trimtab.conflicts", CONFLICTS, Path(), path), settings, f"{path}.{name}")


def _steps(values: Any, path: str, folder: Path) -> tuple[LabelStep | InformedStep, ...]:
    if not isinstance(values, list):
        raise ExperimentError(f"{path}: found {_kind(values)}, wanted a list of label steps")
    return tuple(_step(one, f"{path}.{i}", folder) for i, one in enumerate(values))


def _step(value: Any, path: str, folder: Path) -> LabelStep | InformedStep:
    name, settings = _named(value, path)
    found = build(_component(name, "trimtab.label_steps", LABEL_STEPS, folder, path), settings, path)
    if isinstance(found, Objective):
        raise ExperimentError(f"{path}: {name!r} is an objective, not a label step; name it under `objective`")
    _check_members(found, ("truth",), f"{path}: {name!r} is not a label step")
    return found


def _component(name: str, group: str, ours: Mapping[str, str], folder: Path, path: str) -> type:
    try:
        return find(name, group, ours, folder)
    except UsageError as error:
        raise ExperimentError(f"{path}: {error}") from error


def _named(value: Any, path: str, key: str | None = None) -> tuple[str, dict[str, Any]]:
    """Read `name`, `{name: {settings}}` or, with `key`, `{key: name, settings...}`."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and key and key in value:
        return typed(str, value[key], f"{path}.{key}"), {k: v for k, v in value.items() if k != key}
    if isinstance(value, dict) and len(value) == 1:
        ((name, settings),) = value.items()
        if settings is None or isinstance(settings, dict):
            return str(name), settings or {}
        raise ExperimentError(f"{path}.{name}: found {settings!r}, wanted a mapping of settings")
    raise ExperimentError(f"{path}: found {_kind(value)}, wanted a name or a mapping {{name: {{settings}}}}")


def _seeds(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ExperimentError(f"seeds: found {_kind(value)}, wanted a list such as [0, 1, 2]")
    seeds = typed(tuple[int, ...], value, "seeds")
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ExperimentError(f"seeds: found {list(seeds)}, wanted at least one, all different, from 0 to 4294967295")
    return seeds


def _cuts(values: Any) -> tuple[tuple[str, tuple[float, ...]], ...]:
    if not isinstance(values, dict):
        raise ExperimentError(f"cuts: found {_kind(values)}, wanted a mapping of a number's name to values to cut at")
    found = []
    for name, edges in values.items():
        given = typed(tuple[float, ...], edges, f"cuts.{name}")
        if not given or list(given) != sorted(set(given)) or not all(map(math.isfinite, given)):
            raise ExperimentError(f"cuts.{name}: found {edges!r}, wanted rising values, at least one")
        found.append((str(name), given))
    return tuple(found)


def _controls(value: Any) -> tuple[str, ...]:
    """Read true for the usual controls, false for none, or the names of some."""
    if not isinstance(value, list):
        return USUAL if typed(bool, value, "controls") else ()
    names = typed(tuple[str, ...], value, "controls")
    for i, name in enumerate(names):
        one_of(name, CONTROLS, f"controls.{i}")
    return tuple(name for name in CONTROLS if name in names)


def _curves(value: Any) -> LearningCurves | None:
    """Read true for the usual sizes, false for no curves, or a mapping with sizes of one's own."""
    if isinstance(value, dict):
        return build(LearningCurves, value, "curves")
    return LearningCurves() if typed(bool, value, "curves") else None


def _metrics(value: Any) -> tuple[str, ...]:
    names = typed(tuple[str, ...], value, "metrics")
    for i, name in enumerate(names):
        one_of(name, dict.fromkeys(METRICS), f"metrics.{i}")
    if not names:
        raise ExperimentError("metrics: the list is empty; name at least one metric")
    return names


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "yes/no", int: "a number", float: "a number"}
    return f"{names.get(type(value), type(value).__name__)} ({str(value)[:40]})"
