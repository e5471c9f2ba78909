"""The smallest gap that a test split of a given size can tell from none, before anything is run.

The `no_gap` test of `pgr.py` passes where the gap is above its half-width. With both models near accuracy a,
their right answers correlated by r, and a seed-to-seed standard deviation s of the gap over S seeds:

    gap^2 = z^2 2 a (1 - a) (1 - r) / n + t_{S-1}^2 s^2 / S          z = 1.96, two-sided 95 %

r = 0 is the cautious default: models tend to fail on the same items, which makes smaller gaps visible. s = 0
leaves only the size of the test split. A true gap of just this size passes in half of all studies, one 1.43
times as large in 80 %.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from trimtab.metrics.intervals import LEVEL


def resolvable_gap(
    n_items: int,
    accuracy: float = 0.8,
    seeds: int = 1,
    *,
    correlation: float = 0.0,
    seed_deviation: float = 0.0,
) -> float:
    """Return the smallest gap in accuracy (0.02 = two accuracy points) that n test items resolve.

    `accuracy` is the mean of both models; `seed_deviation` is in the unit of accuracy and counts from two
    seeds on: with one seed the test itself knows of items only. Raises ValueError where a number is out of
    its range.

    >>> round(resolvable_gap(2000), 4)
    0.0248
    """
    if n_items < 1 or seeds < 1 or not 0 <= accuracy <= 1 or not -1 <= correlation <= 1 or seed_deviation < 0:
        raise ValueError(
            "resolvable_gap needs items and seeds >= 1, accuracy in [0, 1], correlation in [-1, 1] and a "
            f"deviation >= 0, not {n_items}, {seeds}, {accuracy}, {correlation}, {seed_deviation}"
        )
    items = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2 * 2 * accuracy * (1 - accuracy) * (1 - correlation) / n_items
    if seeds == 1 or seed_deviation == 0:
        return sqrt(items)
    from scipy.special import stdtrit

    return sqrt(items + float(stdtrit(seeds - 1, (1 + LEVEL) / 2)) ** 2 * seed_deviation**2 / seeds)
