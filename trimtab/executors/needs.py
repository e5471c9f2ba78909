"""What a stage will take: seconds and memory, from finished stages like it where the store has some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from trimtab.stages.stage import Stage
from trimtab.store import Store

ROUGH_SECONDS = {
    "data": 5.0,
    "split": 0.1,
    "label": 0.1,
    "embed": 180.0,
    "prefix": 180.0,
    "select": 2.0,
    "train": 2.0,
    "predict": 0.5,
    "compare": 30.0,
}
"""Seconds of a stage where the store has none of its kind to go by: small models, a few thousand items, two cores."""
LIBRARIES_BYTES = 700_000_000
"""What a process holds that has loaded torch and transformers and no model."""


@dataclass(frozen=True)
class Needs:
    """What a job takes while it runs."""

    seconds: float
    memory_bytes: int
    """Peak memory of the whole process."""
    model: str | None = None
    """Identity of the model that it loads, for a worker that has it; none where it loads none."""


@dataclass(frozen=True)
class Estimates:
    """What finished stages took, by their title."""

    seconds: dict[str, float]
    memory_bytes: dict[str, int]

    @classmethod
    def of(cls, store: Store) -> Estimates:
        """Return the medians over the store's finished stages; stages of another size are a rough guide only."""
        seconds: dict[str, list[float]] = {}
        memory: dict[str, list[int]] = {}
        for kind, digest in store.artifacts():
            manifest = store.manifest(kind, digest)
            seconds.setdefault(manifest["title"], []).append(manifest["seconds"])
            memory.setdefault(manifest["title"], []).append(manifest["machine"]["peak_memory_bytes"])
        return cls({k: median(v) for k, v in seconds.items()}, {k: max(v) for k, v in memory.items()})

    def seconds_of(self, stage: Stage) -> float:
        """Return about how long a stage will take."""
        return self.seconds.get(stage.title, ROUGH_SECONDS.get(stage.kind, 1.0))

    def of_job(self, job: Sequence[Stage]) -> Needs:
        """Return what stages that run together need."""
        first = job[0]
        memory = self.memory_bytes.get(first.title, LIBRARIES_BYTES + first.memory_bytes)
        return Needs(sum(self.seconds_of(one) for one in job), memory, first.model_key)
