"""One model's predictions on very many test items, as counts: by bag of items, and by what a metric looks at.

    bag        random set of related items, the unit that is resampled: draws of bags vary as draws of items do
    answers    (gold, answer)                                       accuracy, balanced accuracy, F1
    certainty  (right or not, confidence in steps of log-odds)      ECE and the calibration curve
    ranks      per class (is it, p of it in steps of log-odds)      AUROC; equal steps count as ties
    distance   sum of Brier scores

A metric under a draw of bags is the metric of the counts, added up over bags with the draw's weights. Accuracy,
balanced accuracy, F1 and Brier are exact; ECE and AUROC see probabilities in 512 steps from log-odds -12 to 12.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.errors import UsageError
from trimtab.metrics import METRICS
from trimtab.metrics.auroc import area
from trimtab.metrics.metric import ratio
from trimtab.types import Array

STEPS = 512
_WIDEST = 12.0
_BY_ANSWER = ("accuracy", "balanced_accuracy", "macro_f1")


class Cells:
    """Counts of one model's predictions, filled some items at a time."""

    def __init__(self, bags: int, classes: int) -> None:
        """Begin with no items."""
        self._bags, self._classes = bags, classes
        self._answers = np.zeros((bags, classes * classes))
        self._certainty = np.zeros((bags, 2 * STEPS))
        self._confidence = np.zeros(2 * STEPS)
        self._ranked = [1] if classes == 2 else list(range(classes))
        # a count of one cell is exact below 2^24; sums are made in float64
        self._ranks = np.zeros((len(self._ranked), bags, 2 * STEPS), np.float32)
        self._distance = np.zeros(bags)

    def see(
        self, probabilities: Float[Array, "items classes"], gold: Int[Array, "items"], bag: Int[Array, "items"]
    ) -> None:
        """Count some more items."""
        answer, confidence = probabilities.argmax(1), probabilities.max(1)
        certainty = (answer == gold) * STEPS + _step(confidence)
        np.add.at(self._answers, (bag, gold * self._classes + answer), 1)
        np.add.at(self._certainty, (bag, certainty), 1)
        np.add.at(self._confidence, certainty, confidence)
        for place, c in enumerate(self._ranked):
            np.add.at(self._ranks[place], (bag, (gold == c) * STEPS + _step(probabilities[:, c])), 1)
        np.add.at(self._distance, bag, ((probabilities - np.eye(self._classes)[gold]) ** 2).sum(1) / 2)

    @property
    def answers(self) -> frozenset[int]:
        """Classes that are ever answered."""
        counts = self._answers.sum(0).reshape(self._classes, self._classes).sum(0)
        return frozenset(np.flatnonzero(counts).tolist())

    def score(self, metric: str, weights: Float[Array, "draws bags"]) -> Float[Array, "draws"]:
        """Return a metric under each row of bag weights.

        Raises UsageError where the metric cannot be had from counts.
        """
        if metric in _BY_ANSWER:
            gold, answer = np.divmod(np.arange(self._classes**2), self._classes)
            return METRICS[metric].function(np.eye(self._classes)[answer], gold, weights @ self._answers)
        if metric == "ece":
            filled = np.flatnonzero(self._certainty.any(0))
            probabilities, gold, _ = self.curve_rows()
            return METRICS[metric].function(probabilities, gold, weights @ self._certainty[:, filled])
        if metric == "brier":
            return ratio(weights @ self._distance, weights @ self._answers.sum(1))
        if metric == "auroc":
            steps, positive = np.tile(np.arange(float(STEPS)), 2), np.arange(2 * STEPS) >= STEPS
            areas = [area(steps, positive, weights @ ranks.astype(np.float64)) for ranks in self._ranks]
            return np.mean(areas, axis=0)
        raise UsageError(f"the metric {metric} cannot be computed for a streamed task; leave it out of `metrics`")

    def curve_rows(self) -> tuple[Float[Array, "rows two"], Int[Array, "rows"], Float[Array, "rows"]]:
        """Return rows that stand for many items each: (confidence, 0), gold 0 where the answer is right, and for how
        many."""
        totals = self._certainty.sum(0)
        filled = np.flatnonzero(totals)
        confidence = self._confidence[filled] / totals[filled]
        gold = np.where(filled >= STEPS, 0, 1)
        return np.stack([confidence, np.zeros(len(filled))], 1), gold, totals[filled]


def _step(probabilities: Float[Array, "items"]) -> Int[Array, "items"]:
    with np.errstate(divide="ignore"):
        log_odds = np.log(probabilities) - np.log1p(-probabilities)
    place = (np.clip(log_odds, -_WIDEST, _WIDEST) + _WIDEST) / (2 * _WIDEST) * STEPS
    return np.minimum(place.astype(np.int64), STEPS - 1)
