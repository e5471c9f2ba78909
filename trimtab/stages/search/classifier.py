"""Classifier: a reward fitted to the ratings of one part of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import settings_of
from trimtab.fit.probe_settings import Probe
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress


@dataclass(frozen=True)
class TrainClassifier(Stage):
    """A linear probe on a model's hidden states, whose log-odds of class 1 are a reward."""

    data: Stage
    split: Stage
    spec: ModelSpec
    fit: Probe
    part: str
    """The split whose ground truth it learns: "supervisor" (proxy) or "transfer" (gold)."""
    seed: int = 0

    kind: ClassVar[str] = "train"

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {"fit": settings_of(self.fit), "part": self.part, "seed": self.seed}
        return chosen | {"model": model_identity(self.spec), "role": "reward"}

    @property
    def title(self) -> str:
        return f"{'proxy' if self.part == 'supervisor' else 'gold'} reward on {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the classifier's folder; a fifth of the items is laid aside for its accuracy.

        Raises TaskError where the task has not two classes.
        """
        from trimtab.decode.classifier import fit_classifier
        from trimtab.errors import TaskError
        from trimtab.models.kind import has_language_head
        from trimtab.models.text import template_of
        from trimtab.stages.tables import read_table, rows_of, strings

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        if len(facts["classes"]) != 2:
            raise TaskError(
                f"a reward is the log-odds of two classes; found {len(facts['classes'])}: {facts['classes']}"
            )
        items = read_table(inputs["data"] / "items.parquet", ["id", "text", "related"])
        members = read_table(inputs["split"] / "membership.parquet")
        sides = zip(strings(members, "id"), strings(members, "split"), strict=True)
        rows = rows_of(strings(items, "id"), [one for one, side in sides if side == self.part])
        gold = read_table(inputs["data"] / "gold.parquet")["gold"].to_numpy()[rows]
        texts, related = strings(items, "text"), items["related"].to_numpy()[rows]
        spec = replace(self.spec, template=template_of(self.spec, facts["prompt"], has_language_head(self.spec)))
        classifier = fit_classifier(
            spec, [texts[row] for row in rows], gold.tolist(), groups=[str(one) for one in related],
            settings=self.fit, seed=self.seed,
        )  # fmt: skip
        classifier.save(out)
        found = classifier.fit
        held_out = {"accuracy": found.accuracy.to_json(), "items": found.held_out, "trained_on": found.trained}
        told = {"model": self.spec.model, "strength": found.strength, "at_edge": found.at_edge}
        return {"items": len(rows), "held_out": held_out | told}
