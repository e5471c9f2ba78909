"""The file of a study of learning from weak labels, key by key: its task, and everything that stands in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from trimtab.comparison.controls import CONTROLS, USUAL
from trimtab.comparison.learning_curves import LearningCurves
from trimtab.errors import ExperimentError
from trimtab.experiment.methods import methods
from trimtab.experiment.models import learners, supervisors
from trimtab.experiment.named import component, in_words
from trimtab.experiment.value import Experiment
from trimtab.fields import NAME_RULE, build, check_keys, is_name, one_of, typed
from trimtab.metrics import METRICS, OF_CHOICES
from trimtab.tasks import TASKS, Task
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.splits import SplitSettings

_KEYS = ("name", "study", "task", "split", "weak", "strong", "methods", "seeds")
_KEYS += ("controls", "curves", "metrics", "cuts")
_SIZES = ("supervisor", "transfer", "test")


def parse_generalize(values: Mapping[str, Any], folder: Path, text: str) -> Experiment:
    """Return the study of learning from weak labels that plain values describe; paths are relative to `folder`."""
    check_keys(values, _KEYS, "")
    for key in ("name", "task", "weak", "strong", "methods"):
        if key not in values:
            raise ExperimentError(f"{key}: the key is missing; every experiment needs it")
    task, split = _task(values["task"], values.get("split", {}), folder)
    return Experiment(
        name=read_name(values["name"]),
        task=task,
        split=split,
        weak=supervisors(values["weak"], folder),
        strong=learners(values["strong"], "strong", folder),
        methods=methods(values["methods"], folder),
        seeds=read_seeds(values.get("seeds", [0, 1, 2, 3, 4])),
        controls=_controls(values.get("controls", True)),
        curves=_curves(values.get("curves", False)),
        metrics=_metrics(values.get("metrics", list(OF_CHOICES if getattr(task, "listwise", False) else METRICS))),
        second=_second(values["task"]),
        cuts=_cuts(values.get("cuts", {})),
        text=text,
    )


def read_name(value: Any) -> str:
    """Read the name of a run's folder."""
    name = typed(str, value, "name")
    if not is_name(name):
        raise ExperimentError(f"name: found {name!r}, wanted {NAME_RULE}")
    return name


def _task(values: Any, split: Any, folder: Path) -> tuple[Any, SplitSettings]:
    if not isinstance(values, dict) or "kind" not in values:
        raise ExperimentError(f"task: found {in_words(values)}, wanted a mapping with a key `kind`")
    sizes = {key: values[key] for key in _SIZES if key in values}
    if not isinstance(split, dict):
        raise ExperimentError(f"split: found {in_words(split)}, wanted a mapping")
    clash = sorted(set(split) & set(_SIZES))
    if clash:
        raise ExperimentError(f"split.{clash[0]}: the sizes of the splits belong under task; move it there")
    for key, size in sizes.items():  # one by one, so that a message names the place where the user wrote it
        build(SplitSettings, {key: size}, "task")
    task = read_task({key: value for key, value in values.items() if key not in ("second", *_SIZES)}, folder)
    # a key that only a split by level has asks for one
    by_level = {one.name for one in fields(ByLevel)} - {one.name for one in fields(SplitSettings)}
    return task, build(ByLevel if by_level & set(split) else SplitSettings, sizes | split, "split")


def read_task(values: Any, folder: Path) -> Any:
    """Read a task with its own settings; paths are relative to `folder`."""
    if not isinstance(values, dict) or "kind" not in values:
        raise ExperimentError(f"task: found {in_words(values)}, wanted a mapping with a key `kind`")
    kind = typed(str, values["kind"], "task.kind")
    cls = component(kind, "trimtab.tasks", TASKS, folder, "task.kind")
    settings = {key: value for key, value in values.items() if key != "kind"}
    for key in (one for one in settings if one == "path" or one.endswith("_path")):
        path = settings[key]
        here = kind in ("file", "features", "pairs", "choices") or (
            isinstance(path, str) and (folder / Path(path).expanduser()).exists()
        )
        if isinstance(path, str) and here:
            settings[key] = str(folder / Path(path).expanduser())
    task = build(cls, settings, "task")
    if not isinstance(task, Task):
        raise ExperimentError(f"task.kind: {kind!r} is not a task; it needs the members of trimtab.tasks.Task")
    return task


def _second(task: Mapping[str, Any]) -> int | None:
    size = typed(int | None, task.get("second"), "task.second")
    if size is not None and size < 1:
        raise ExperimentError(f"task.second: found {size}, wanted at least 1 item of the second goal")
    return size


def read_seeds(value: Any) -> tuple[int, ...]:
    """Read the seeds of a study: at least one, all different."""
    if not isinstance(value, list | tuple):
        raise ExperimentError(f"seeds: found {in_words(value)}, wanted a list such as [0, 1, 2]")
    seeds = typed(tuple[int, ...], value, "seeds")
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ExperimentError(f"seeds: found {list(seeds)}, wanted at least one, all different, from 0 to 4294967295")
    return seeds


def _cuts(values: Any) -> tuple[tuple[str, tuple[float, ...]], ...]:
    if not isinstance(values, dict):
        raise ExperimentError(
            f"cuts: found {in_words(values)}, wanted a mapping of a number's name to values to cut at"
        )
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
