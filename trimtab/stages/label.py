"""Label: make what a student is told. Four sources, one table of labels each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import component_identity
from trimtab.stages.stage import Stage
from trimtab.types import InformedStep, Labels, LabelStep, Progress, Truth, all_truth, most_truth


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


def stepped(step: LabelStep, before: Labels) -> Labels:
    """Return the labels after a step that was held to its promise, marked with the most truth in any of it.

    Raises FitError where the step returns other items, or what are no probabilities or weights.
    """
    return checked_step(step, before, step(before))


def checked_step(step: LabelStep | InformedStep, before: Labels, after: Labels) -> Labels:
    """Return what a step made, held to its promise and marked as in `stepped`; raises what `stepped` raises."""
    _check_step(step, before, after)
    # what a step says of itself stands, also where its labels forget to
    return replace(after, truth=most_truth([after.truth, all_truth([before.truth, step.truth])]))


def _check_step(step: object, before: Labels, after: Any) -> None:
    """Hold a label step to its promise: the same items in the same order, valid probabilities and weights, and more
    than one class to learn where there was more than one.
    """
    import numpy as np

    from trimtab.errors import FitError

    name = type(step).__name__
    if not isinstance(after, Labels):
        raise FitError(f"label step {name} returned {type(after).__name__}; wanted trimtab.types.Labels")
    if after.ids != before.ids:
        raise FitError(f"label step {name} returned other ids than it was given; drop an item by giving it weight 0")
    if after.probabilities.shape != before.probabilities.shape:
        raise FitError(
            f"label step {name} returned probabilities of shape {after.probabilities.shape}; wanted "
            f"{before.probabilities.shape}: one row per item, one column per class"
        )
    if not np.allclose(after.probabilities.sum(1), 1, atol=1e-6) or after.probabilities.min() < 0:
        raise FitError(f"label step {name} returned rows that are not probabilities (non-negative, summing to 1)")
    if not (np.isfinite(after.weights).all() and (after.weights >= 0).all() and after.weights.any()):
        raise FitError(f"label step {name} must return finite weights of at least 0 with one above 0")
    classes, left = (np.unique(one.probabilities[one.weights > 0].argmax(1)) for one in (before, after))
    if len(left) == 1 < len(classes):
        kept = int((after.weights > 0).sum())
        raise FitError(
            f"label step {name} leaves {kept} of {len(after.ids)} items, all of class {left[0]}, so that there is "
            "nothing to tell classes apart by; keep more of them"
        )
