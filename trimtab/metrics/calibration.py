"""Calibration of the top label: is an answer given with confidence 0.8 right in 80 % of the cases?

    ECE = sum_b (W_b / W) | accuracy_b - confidence_b |          15 bins of equal mass, ordered by confidence

The bin of an item is floor(15 m), m = the share of all weight below the middle of the item; items of equal
confidence share one middle, so that neither the order of the items nor a copy of the data set changes the
value. A data set of fewer than 15 items fills fewer bins.

Naeini et al. 2015 (the estimator)  https://doi.org/10.1609/aaai.v29i1.9602
Nguyen & O'Connor 2015 (bins of equal mass)  https://arxiv.org/abs/1508.05154
Differs from both: ties stay together.
ECE is biased upwards by the noise inside its bins, and a bootstrap draw is noisier than the data: its
interval sits too high. Compare ECE between models on the same items; do not read it as a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.metrics.metric import ratio
from trimtab.types import Array

BINS = 15


@dataclass(frozen=True)
class CalibrationBin:
    """One point of a calibration curve."""

    n: int
    """Items in the bin."""
    confidence: float
    """Mean probability of the answer given."""
    accuracy: float
    """Share of right answers."""


def expected_calibration_error(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the mean distance between confidence and accuracy over 15 bins of equal mass, in [0, 1].

    >>> p = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> expected_calibration_error(p, np.array([0, 0]), np.ones((1, 2))).round(4)  # (0.1 + 0.6) / 2
    array([0.35])
    """
    order, starts, confidence = _runs_of_confidence(probabilities)
    right = (probabilities.argmax(1) == gold)[order]
    mass = np.take(weights, order, axis=1)  # row-major, unlike weights[:, order]: four times faster below
    excess = mass * (right - confidence)
    if len(starts) < len(order):
        mass, excess = (np.add.reduceat(values, starts, axis=1) for values in (mass, excess))
    in_bin = _bin_of_runs(mass)
    in_bin += BINS * np.arange(len(weights))[:, None]
    per_bin = np.bincount(in_bin.ravel(), weights=excess.ravel(), minlength=BINS * len(weights))
    return ratio(np.abs(per_bin.reshape(len(weights), BINS)).sum(1), mass.sum(1))


def calibration_curve(
    probabilities: Float[Array, "items classes"], gold: Int[Array, "items"], counts: Float[Array, "items"] | None = None
) -> tuple[CalibrationBin, ...]:
    """Return the filled bins in order of confidence; `counts` says for how many items each row stands, none = one.

    >>> calibration_curve(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))[1]
    CalibrationBin(n=1, confidence=0.9, accuracy=1.0)
    """
    order, starts, confidence = _runs_of_confidence(probabilities)
    right = (probabilities.argmax(1) == gold)[order]
    mass = np.ones(len(order)) if counts is None else counts[order]
    in_bin = np.repeat(_bin_of_runs(np.add.reduceat(mass, starts)[None])[0], np.diff(starts, append=len(order)))
    filled = [np.flatnonzero((in_bin == b) & (mass > 0)) for b in range(BINS)]
    return tuple(_bin(mass[m], confidence[m], right[m]) for m in filled if len(m))


def _bin(mass: Float[Array, "items"], confidence: Float[Array, "items"], right: Bool[Array, "items"]) -> CalibrationBin:
    means = (float(np.average(values, weights=mass)) for values in (confidence, right))
    return CalibrationBin(round(float(mass.sum())), *means)


def _runs_of_confidence(
    probabilities: Float[Array, "items classes"],
) -> tuple[Int[Array, "items"], Int[Array, "blocks"], Float[Array, "items"]]:
    """Return the order by confidence, where runs of equal confidence start, and the ordered confidence."""
    confidence = probabilities.max(1)
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    return order, np.flatnonzero(np.diff(ordered, prepend=np.nan)), ordered


def _bin_of_runs(mass: Float[Array, "draws blocks"]) -> Int[Array, "draws blocks"]:
    """Return the bin of each run of equal confidence, from its mass; 0 in a draw without any mass."""
    middle = np.cumsum(mass, axis=1)
    total = middle[:, -1:].copy()
    middle -= mass / 2
    middle *= BINS  # before the division: whole weights then land on a bin's edge exactly
    middle /= np.where(total > 0, total, 1.0)
    in_bin = middle.astype(np.int64)
    return np.minimum(in_bin, BINS - 1, out=in_bin)  # a run without weight at the very end would be bin 15
