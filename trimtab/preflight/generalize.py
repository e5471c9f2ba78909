"""A study of learning from weak labels: whether the data make the splits and the models suit them.

Data that were read before are not read again; data on the hub, large files and tasks of other packages are left to the
stage that reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.comparison.parts import unknown_cuts
from trimtab.errors import ExperimentError, TaskError
from trimtab.experiment import Experiment
from trimtab.models.kind import has_language_head
from trimtab.models.source import locate
from trimtab.plan import Plan
from trimtab.plan.sizes import check_classes
from trimtab.preflight.held import Held
from trimtab.preflight.known import Preflight
from trimtab.preflight.layers import check_layers, config_of
from trimtab.preflight.relabelled import written_over
from trimtab.preflight.tables import check_tables
from trimtab.stages.conflict import SplitSecond
from trimtab.stages.data import Data
from trimtab.stages.split import Split
from trimtab.stages.streamed.data import StreamedData
from trimtab.store import Store, facts_of
from trimtab.tasks import TASKS
from trimtab.tasks.chess_mate_in_one import ChessMateInOne
from trimtab.tasks.choices import Choices
from trimtab.tasks.features import Features
from trimtab.tasks.file import File
from trimtab.tasks.hub import Hub
from trimtab.tasks.second import draw_second, part_of_own
from trimtab.tasks.splits import SplitSettings
from trimtab.tasks.streamed.batch import StreamedTask
from trimtab.types import ModelSpec

LARGE_FILE_BYTES = 1 << 26
"""From this size on, a file is read only by the stage that reads it (64 MiB are some seconds)."""
SOON_PLAYED = 2000
"""Up to so many chess positions are looked for before the stage that reads them (some seconds)."""
BARE = "{text}"


def preflight_generalize(experiment: Experiment, planned: Plan, store: Store) -> Preflight:
    """Return what is known of a study before any stage is run.

    Raises ExperimentError where a model lacks a layer, a table of features cannot be used or the items have no number
    that is to be cut; TaskError where the data cannot be used or are too few.
    """
    check_layers(experiment.models())
    data = planned.compare.data
    splits = [one for one in planned.compare.splits if isinstance(one, Split)]
    if store.has(data.kind, data.digest):
        folder = store.folder(data.kind, data.digest)
        if isinstance(data, StreamedData):
            facts = facts_of(folder)
            return Preflight(facts["test"], facts["dropped"], (), _warnings(experiment, planned, facts["prompt"]))
        held = Held.stored(folder, splits[0])
    elif isinstance(data, Data) and is_soon_read(experiment.task):
        held = Held.read(data)
    else:
        if isinstance(experiment.task, StreamedTask):
            _check_rows(experiment.task, experiment.split)
        check_tables(experiment, ())
        prompt = experiment.task.prompt if isinstance(experiment.task, File | Hub | StreamedTask) else None
        return Preflight(None, {}, (), _warnings(experiment, planned, prompt))
    assert isinstance(data, Data)
    pool = held.pool
    check_classes(experiment, pool.classes)
    _check_cuts(experiment, held.numbers)
    check_tables(experiment, [one for ids, _ in data.roles(pool).values() for one in ids])
    seconds = {one.seed: one for one in planned.stages if isinstance(one, SplitSecond)}
    for split in splits:
        second = seconds.get(split.seed)
        if all(store.has(one.kind, one.digest) for one in (split, second) if one is not None):
            continue
        members = split.members(pool)
        if second is not None:
            _check_second(second, held, (*members["supervisor"], *members["transfer"]))
    warnings = _warnings(experiment, planned, held.prompt)
    return Preflight(len(pool.test), dict(pool.dropped), held.notes, warnings, len(set(pool.test_related)))


def _check_cuts(experiment: Experiment, numbers: Sequence[str]) -> None:
    """Raise ExperimentError where scores are to be cut by a number that the items do not have."""
    for warning in unknown_cuts(dict(experiment.cuts), numbers):
        raise ExperimentError(warning["text"])


def _check_second(wanted: SplitSecond, held: Held, taken: Sequence[str]) -> None:
    """Raise TaskError where there are too few items for the second split of a seed, whose others are `taken`."""
    if held.apart is None:
        draw_second(held.pool, taken, wanted.size, wanted.split_seed, wanted.seed)
    else:
        part_of_own(held.apart, wanted.size, wanted.split_seed)


def _check_rows(task: StreamedTask, split: SplitSettings) -> None:
    """Raise TaskError where a streamed task has fewer rows than are asked for; the files' ends say how many."""
    rows = task.count()
    asked = split.pool or sum(size or 0 for size in (split.supervisor, split.transfer, split.test))
    if rows < asked:
        raise TaskError(
            f"Too few rows: found {rows:,}, wanted {asked:,}. Make supervisor, transfer, test or pool smaller."
        )


def is_soon_read(task: Any) -> bool:
    """Say whether a task's data lie here and are read in seconds."""
    if isinstance(task, ChessMateInOne):
        return task.positions <= SOON_PLAYED
    if isinstance(task, File | Features | Choices):
        path = Path(task.path)
        return not path.is_file() or path.stat().st_size < LARGE_FILE_BYTES
    if isinstance(task, Hub):
        folder = Path(task.path)
        return (
            folder.is_dir() and sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) < LARGE_FILE_BYTES
        )
    return f"{type(task).__module__}:{type(task).__name__}" in TASKS.values()


def _warnings(experiment: Experiment, planned: Plan, prompt: str | None) -> tuple[str, ...]:
    """Return what is said of models that are given nothing but the text, of methods that will not run, and of truth
    that is bought in vain.
    """
    not_run = (f"{name} will not be run: {reason}" for name, reason in planned.compare.not_run)
    return (*_bare(experiment, prompt), *not_run, *written_over(experiment))


def _bare(experiment: Experiment, prompt: str | None) -> tuple[str, ...]:
    """Return a warning that names the causal models to which nothing but the text is given."""
    if getattr(experiment.task, "listwise", False) or getattr(experiment.task, "paired", False):
        return ()  # what is read ends with the answer that a prompt would ask for
    names = {
        spec.model: None
        for _, spec in experiment.models()
        if spec.template is None and prompt == BARE and _is_asked(spec)
    }
    if not names:
        return ()
    return (
        f"{', '.join(names)} reads each text bare: a causal model that is not asked for the class says less about it. "
        "Set `prompt:` of the task, which holds {text} once and ends where the answer would begin.",
    )


def _is_asked(spec: ModelSpec) -> bool:
    """Say whether a model that is on this machine is causal."""
    return locate(spec).gguf_file is not None or (bool(config_of(spec)) and has_language_head(spec))
