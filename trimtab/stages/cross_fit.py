"""Cross-fit: what a model says of items that it was not trained on, for all of its training items.

    fold k of the labels is left out -> a model learns the others -> it labels fold k          k = 1 .. K

A model that relabels its own training items would repeat what it was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.stage import Stage
from trimtab.types import Labels, Progress

FOLDING = ("trimtab.fit.folds", "trimtab.stages.cross_fit")
"""Where folds are drawn and put together."""


@dataclass(frozen=True)
class LabelWithout(Stage):
    """Labels without one fold: its items get weight 0. Related items share a fold."""

    labels: Stage
    data: Stage
    folds: int
    fold: int
    seed: int

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = FOLDING

    @property
    def title(self) -> str:
        return f"labels without fold {self.fold + 1} of {self.folds}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the labels of all items, the fold's with weight 0."""
        from dataclasses import replace

        import numpy as np

        from trimtab.stages.tables import read_labels, write_labels

        labels = read_labels(inputs["labels"])
        left_out = _folds(inputs["data"], labels, self.folds, self.seed) == self.fold
        after = replace(labels, weights=np.where(left_out, 0.0, labels.weights))
        write_labels(out, after)
        return {"items": len(after.ids), "kept": int((after.weights > 0).sum()), "truth": after.truth}


@dataclass(frozen=True)
class LabelCrossFitted(Stage):
    """Each item's label from the model that did not learn it."""

    labels: Stage
    data: Stage
    predictions: tuple[Stage, ...]
    """Of the model without fold 1, 2, .. on all items of the labels."""
    seed: int

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = FOLDING

    @property
    def title(self) -> str:
        return "cross-fitted labels"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write labels of equal weight, with the truth level of those that were learnt."""
        import numpy as np

        from trimtab.stages.tables import read_labels, read_predictions, rows_of, write_labels

        labels = read_labels(inputs["labels"])
        fold = _folds(inputs["data"], labels, len(self.predictions), self.seed)
        found = np.empty_like(labels.probabilities)
        for number in range(len(self.predictions)):
            told = read_predictions(inputs[f"predictions.{number}"])
            rows = rows_of(told.ids, labels.ids)
            found[fold == number] = told.probabilities[rows][fold == number]
        write_labels(out, Labels(labels.ids, found, np.ones(len(found)), labels.truth))
        return {"items": len(found), "truth": labels.truth}


def _folds(data: Path, labels: Labels, folds: int, seed: int) -> Any:
    """Return each labelled item's fold."""
    from trimtab.fit.folds import fold_of_items
    from trimtab.stages.tables import read_table, rows_of, strings

    items = read_table(data / "items.parquet", ["id", "related"])
    related = items["related"].to_numpy()[rows_of(strings(items, "id"), labels.ids)]
    return fold_of_items(related, folds, seed)
