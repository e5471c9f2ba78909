"""Label: make what a student is told. Four sources, one table of labels each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import component_identity
from trimtab.stages.stage import Stage
from trimtab.stages.step_call import stepped
from trimtab.types import Labels, LabelStep, Progress, Truth


@dataclass(frozen=True)
class LabelGold(Stage):
    """Ground truth of one split: the supervisor's own for weak models, the transfer split's only for oracles."""

    data: Stage
    split: Stage
    part: str

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervise.gold",)

    @property
    def truth(self) -> Truth:
        """How much ground truth these labels are."""
        return "supervisor" if self.part == "supervisor" else "oracle"

    @property
    def title(self) -> str:
        return f"ground truth of the {self.part} split"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import json

        from trimtab.stages.tables import read_table, rows_of, strings, write_labels
        from trimtab.supervise.gold import gold_labels

        membership = read_table(inputs["split"] / "membership.parquet")
        pairs = zip(strings(membership, "id"), strings(membership, "split"), strict=True)
        wanted = tuple(one for one, split in pairs if split == self.part)
        gold = read_table(inputs["data"] / "gold.parquet")
        classes = len(json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"])
        rows = rows_of(strings(gold, "id"), wanted)
        write_labels(out, gold_labels(wanted, gold["gold"].to_numpy()[rows], classes, self.truth))
        return {"items": len(wanted), "truth": self.truth}


@dataclass(frozen=True)
class LabelModel(Stage):
    """A supervisor's class probabilities on a split, as soft labels."""

    predictions: Stage
    truth: Truth = "none"
    """How much ground truth the supervisor's answers are made of, beyond what it was trained on."""
    part: str = "transfer"
    """The split; another than the transfer split is what a supervisor itself is told."""

    kind: ClassVar[str] = "label"

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"truth": self.truth} | ({"part": self.part} if self.part != "transfer" else {})

    @property
    def title(self) -> str:
        return "weak labels" if self.part == "transfer" else f"labels of the {self.part} split"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.stages.tables import read_predictions, write_labels

        found = read_predictions(inputs["predictions"]).of_split(self.part)
        write_labels(out, Labels(found.ids, found.probabilities, np.ones(len(found.ids)), self.truth))
        return {"items": len(found.ids), "truth": self.truth}


@dataclass(frozen=True)
class LabelStepped(Stage):
    """Labels after one step: filtered, reweighted or corrected."""

    labels: Stage
    step: LabelStep

    kind: ClassVar[str] = "label"

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"step": component_identity(self.step)}

    @property
    def title(self) -> str:
        return f"label step {type(self.step).__name__}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        from trimtab.stages.tables import read_labels, write_labels

        after = stepped(self.step, read_labels(inputs["labels"]))
        write_labels(out, after)
        return {"items": len(after.ids), "kept": int((after.weights > 0).sum()), "truth": after.truth}


@dataclass(frozen=True)
class LabelFlipped(Stage):
    """Control (a): the transfer split's ground truth with the weak labels' per-class error rate at random."""

    gold: Stage
    weak: Stage
    seed: int

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervise.flipped_truth",)
    truth: ClassVar[Truth] = "oracle"

    @property
    def title(self) -> str:
        return "ground truth with random flips"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        from trimtab.stages.tables import read_labels, rows_of, write_labels
        from trimtab.supervise.flipped_truth import flipped_truth

        gold, weak = read_labels(inputs["gold"]), read_labels(inputs["weak"])
        rows = rows_of(gold.ids, weak.ids)
        aligned = Labels(weak.ids, gold.probabilities[rows], gold.weights[rows], "oracle")
        write_labels(out, flipped_truth(aligned, weak, self.seed))
        return {"items": len(weak.ids), "truth": self.truth}
