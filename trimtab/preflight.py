"""What is known before anything is run, without torch: whether the data make the splits and the models have the layers.

Data that were read before are not read again; data on the hub, large files and tasks of other packages are left to the
stage that reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import ExperimentError, TaskError
from trimtab.experiment import Experiment
from trimtab.models.kind import has_language_head
from trimtab.models.source import locate
from trimtab.plan import Plan
from trimtab.plan.sizes import check_classes
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
from trimtab.tasks.second import SECOND, draw_second
from trimtab.tasks.splits import SplitSettings
from trimtab.tasks.streamed.batch import StreamedTask
from trimtab.types import ModelSpec

LARGE_FILE_BYTES = 1 << 26
"""From this size on, a file is read only by the stage that reads it (64 MiB are some seconds)."""
SOON_PLAYED = 2000
"""Up to so many chess positions are looked for before the stage that reads them (some seconds)."""
BARE = "{text}"
_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


@dataclass(frozen=True)
class Preflight:
    """What is known of a study that was not run."""

    test_items: int | None
    """Size of the test split; none where the data were not read."""
    dropped: Mapping[str, int]
    """Items that are left out, by reason."""
    data_notes: tuple[str, ...]
    """What the data set says of itself; the report repeats it."""
    warnings: tuple[str, ...]
    """What a reader must know about how the models are used."""


def preflight(experiment: Experiment, planned: Plan, store: Store) -> Preflight:
    """Return what is known of a study before any stage is run.

    Raises ExperimentError where a model lacks a layer; TaskError where the data cannot be used or are too few.
    """
    _check_layers(experiment)
    data = planned.compare.data
    splits = [one for one in planned.compare.splits if isinstance(one, Split)]
    if store.has(data.kind, data.digest):
        folder = store.folder(data.kind, data.digest)
        facts = facts_of(folder)
        if isinstance(data, StreamedData):
            return Preflight(facts["test"], facts["dropped"], (), _warnings(experiment, planned, facts["prompt"]))
        pool, prompt, notes = splits[0].stored(folder), facts["prompt"], tuple(facts["notes"])
        apart = "second" in facts
    elif isinstance(data, Data) and _is_soon_read(experiment.task):
        items, pool = data.fixed
        prompt, notes, apart = items.prompt, items.notes, SECOND in (items.splits or ())
    else:
        if isinstance(experiment.task, StreamedTask):
            _check_rows(experiment.task, experiment.split)
        prompt = experiment.task.prompt if isinstance(experiment.task, File | Hub | StreamedTask) else None
        return Preflight(None, {}, (), _warnings(experiment, planned, prompt))
    check_classes(experiment, pool.classes)
    seconds = {one.seed: one for one in planned.stages if isinstance(one, SplitSecond)}
    for split in splits:
        if not store.has(split.kind, split.digest):
            members = split.members(pool)
            if split.seed in seconds and not apart:
                taken = (*members["supervisor"], *members["transfer"])
                draw_second(pool, taken, seconds[split.seed].size, experiment.split.split_seed, split.seed)
    return Preflight(len(pool.test), dict(pool.dropped), notes, _warnings(experiment, planned, prompt))


def _check_rows(task: StreamedTask, split: SplitSettings) -> None:
    """Raise TaskError where a streamed task has fewer rows than are asked for; the files' ends say how many."""
    rows = task.count()
    asked = split.pool or sum(size or 0 for size in (split.supervisor, split.transfer, split.test))
    if rows < asked:
        raise TaskError(
            f"Too few rows: found {rows:,}, wanted {asked:,}. Make supervisor, transfer, test or pool smaller."
        )


def _is_soon_read(task: Any) -> bool:
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


def _check_layers(experiment: Experiment) -> None:
    for place, spec in experiment.models():
        layer, top = spec.layer, _depth(spec)
        if layer is None or top is None or 0 <= layer <= top:
            continue
        raise ExperimentError(
            f"{place.removesuffix('.model')}.layer: found {layer}, wanted 0 (the embeddings) to {top}: {spec.model} "
            f"has {top} blocks; leave `layer` out for the last"
        )


def _depth(spec: ModelSpec) -> int | None:
    """Return the number of a model's blocks as its config.json says it; none where it does not, or is not here."""
    config = _config(spec)
    parts = [config, config.get("text_config") or {}]
    return next((part[name] for part in parts for name in _DEPTHS if isinstance(part.get(name), int)), None)


def _config(spec: ModelSpec) -> dict[str, Any]:
    """Return a model's config.json where it is on this machine; nothing is downloaded for it."""
    source = locate(spec)
    if source.gguf_file or source.kind == "features":
        return {}
    if source.kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source.place, "config.json", revision=source.revision)
        return json.loads(Path(found).read_text("utf-8")) if isinstance(found, str) else {}
    return json.loads((Path(source.place) / "config.json").read_text("utf-8"))


def _warnings(experiment: Experiment, planned: Plan, prompt: str | None) -> tuple[str, ...]:
    """Return what is said of models that are given nothing but the text, and of methods that will not run."""
    not_run = (f"{name} will not be run: {reason}" for name, reason in planned.compare.not_run)
    return (*_bare(experiment, prompt), *not_run)


def _bare(experiment: Experiment, prompt: str | None) -> tuple[str, ...]:
    """Return a warning that names the causal models to which nothing but the text is given."""
    if getattr(experiment.task, "listwise", False):
        return ()  # a choice is the answer that a prompt would ask for
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
    return locate(spec).gguf_file is not None or (bool(_config(spec)) and has_language_head(spec))
