"""Stop: of fits of different lengths, keep what the one says that is best on held-out labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.stage import Stage
from trimtab.types import Progress


@dataclass(frozen=True)
class PredictBest(Stage):
    """The predictions of the length with the lowest held-out cross-entropy."""

    predictions: tuple[Stage, ...]
    """Of each length, on transfer and test items."""
    lengths: tuple[int, ...]
    told: Stage
    """All labels that the student may learn."""
    learnt: Stage
    """The same without the items that are held out, which have weight 0."""
    judge: Stage
    """Labels that the held-out items are compared with: those told, or ground truth."""
    parts: tuple[str, ...] = ("test",)

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.stopping",)

    @property
    def title(self) -> str:
        return f"best of {len(self.lengths)} lengths"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`; ties go to the shorter fit.

        Raises FitError where label steps have left nothing to hold out.
        """
        import numpy as np

        from trimtab.errors import FitError
        from trimtab.stages.tables import read_labels, read_predictions, rows_of, write_predictions

        told, learnt, judge = (read_labels(inputs[name]) for name in ("told", "learnt", "judge"))
        held = np.flatnonzero((told.weights > 0) & (learnt.weights == 0))
        if not len(held):
            raise FitError("early_stopping: label steps have dropped every held-out item; keep more of the labels")
        ids = [told.ids[i] for i in held]
        wanted = judge.probabilities[rows_of(judge.ids, ids)]
        found = [read_predictions(inputs[f"predictions.{i}"]) for i in range(len(self.lengths))]
        scores = []
        for one in found:
            p = np.maximum(one.probabilities[rows_of(one.ids, ids)], 1e-300)
            scores.append(float(np.average(-(wanted * np.log(p)).sum(1), weights=told.weights[held])))
        best = int(np.argmin(scores))
        write_predictions(out, found[best].of_parts(self.parts))
        by_length = [{"length": n, "held_out_nats": s} for n, s in zip(self.lengths, scores, strict=True)]
        return {"items": len(held), "length": self.lengths[best], "lengths": by_length}
