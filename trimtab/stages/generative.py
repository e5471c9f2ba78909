"""Generative: a causal model reads the texts of the pool as plain text, and is kept as weights of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import settings_of
from trimtab.schedules.generative import Generative
from trimtab.stages.embed import MODEL, model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress


@dataclass(frozen=True)
class TrainGenerative(Stage):
    """A language model after reading every text that is not a test text."""

    data: Stage
    spec: ModelSpec
    schedule: Generative

    kind: ClassVar[str] = "train"

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"model": model_identity(self.spec), "schedule": settings_of(self.schedule)}

    @property
    def title(self) -> str:
        return f"let {self.spec.model} read the task's texts"

    @property
    def memory_bytes(self) -> int:
        return 4 * reading_bytes(self.spec) + 1_500_000_000

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the folder `model`; goes on from the last checkpoint under `work`."""
        from trimtab.fit.generative import read_texts
        from trimtab.stages.tables import read_table, strings

        items = read_table(inputs["data"] / "items.parquet", ["text", "role"])
        pairs = zip(strings(items, "text"), strings(items, "role"), strict=True)
        texts = [text for text, role in pairs if role == "pool"]
        return read_texts(self.spec, texts, self.schedule, work, out / MODEL, progress) | {"model": self.spec.model}
