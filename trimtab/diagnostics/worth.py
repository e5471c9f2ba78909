"""What weak labels are worth: how many ground-truth labels teach the student as much as all N weak ones.

    worth = the smallest n with g(n) >= w        w: score on all N weak labels
                                                 g: score on n ground-truth labels, means over seeds at the sizes
                                                    that were measured, linear in log n between them
    interval: from the smallest n at which the upper end of the interval of g(n) - w reaches 0
              to the largest n at which its lower end does not exceed 0

So every n is kept at which the two scores are not told apart on the same test items and seeds. Outside of the sizes
that were measured nothing is said but "fewer" or "more".

Known case: labels of two classes with the same error rate e everywhere, and a student whose error is that of a mean it
estimates. A flipped label takes from the mean what two right ones bring: N weak labels are worth N (1 - 2 e)^2.

Learning curves as straight lines in the logarithm of the number of labels are a usual approximation; between sizes that
lie a factor of 2 apart it decides little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from trimtab.metrics.estimate import Estimate
from trimtab.metrics.intervals import LEVEL, IntervalMethod, Resample, Scores, interval_method, mean_interval
from trimtab.types import Array

STEPS = 16
"""Places between two sizes at which the interval is made."""


@dataclass(frozen=True)
class Worth(Estimate):
    """A number of ground-truth labels with its interval."""

    status: Literal["ok", "fewer", "more", "undefined"]
    """`fewer` and `more`: than were measured, so that there is no value."""
    level: float
    method: IntervalMethod

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return super().to_json() | {"level": self.level, "method": self.method}


def unknown(reason: str | None, weak: Scores) -> Worth:
    """Return that nothing can be said, and why; `weak` are the scores on all weak labels."""
    return Worth(None, None, None, "undefined", reason, LEVEL, interval_method(weak))


def reach(places: Float[Array, "places"], heights: Float[Array, "places"]) -> float | None:
    """Return the first place at which straight lines between the heights reach 0; None where they never do.

    >>> reach(np.array([1.0, 2.0, 4.0]), np.array([-3.0, -1.0, 1.0]))
    3.0
    """
    above = np.flatnonzero(heights >= 0)
    if not len(above) or above[0] == 0:
        return float(places[0]) if len(above) else None
    before, after = heights[above[0] - 1], heights[above[0]]
    start, end = places[above[0] - 1], places[above[0]]
    return float(start + (end - start) * before / (before - after))


def along(differences: Sequence[Scores]) -> list[Scores]:
    """Return scores at every place between neighbours, the neighbours among them."""
    found = []
    for one, other in pairwise(differences):
        found.append(one)
        shares = (step / STEPS for step in range(1, STEPS))
        found += [one.times(1 - share).minus(other.times(-share)) for share in shares]
    return [*found, differences[-1]]


def worth(
    sizes: Sequence[int], truth: Sequence[Scores], weak: Scores, resample: Resample, *, higher_is_better: bool = True
) -> Worth:
    """Return how many ground-truth labels give the score of all weak ones.

    `truth` are the scores on `sizes` ground-truth labels, ascending.
    """
    sign = 1.0 if higher_is_better else -1.0
    found = [mean_interval(one, resample) for one in along([one.minus(weak).times(sign) for one in truth])]
    if any(one.mean is None or one.low is None or one.high is None for one in found):
        return unknown(next(one.reason for one in found if one.low is None), weak)
    places = np.interp(np.arange(len(found)) / STEPS, np.arange(len(sizes)), np.log(sizes))
    mean, lower, upper = (np.array([getattr(one, name) for one in found]) for name in ("mean", "low", "high"))
    low, high = _end(places, upper), _end(places[::-1], -lower[::-1])
    value = None if mean[0] > 0 else reach(places, mean)
    status = "ok" if value is not None else "fewer" if mean[0] > 0 else "more"
    # a size that was measured comes back from its logarithm as it was
    items = (None if place is None else round(float(np.exp(place)), 6) for place in (value, low, high))
    said = [*_why_open(status, sizes, low, high), *([found[-1].reason] if found[-1].reason else [])]
    return Worth(*items, status=status, reason=" ".join(said) or None, level=LEVEL, method=interval_method(weak))


def _end(places: Float[Array, "places"], heights: Float[Array, "places"]) -> float | None:
    """Return the first place at which 0 is reached; None where it may lie before all, the last where it is nowhere."""
    if heights[0] >= 0:
        return None
    found = reach(places, heights)
    return float(places[-1]) if found is None else found


def _why_open(status: str, sizes: Sequence[int], low: float | None, high: float | None) -> list[str]:
    """Return why there is no value, or an interval has no end."""
    least, most = f"{sizes[0]:,}", f"{sizes[-1]:,}"
    if status == "fewer":
        return [f"Fewer than {least}: so many already give a better score."]
    if status == "more":
        return [f"More than {most}: so many do not give that score."]
    below = f"The interval is open below: on {least} ground-truth labels the scores are not told apart."
    above = f"The interval is open above: on {most} ground-truth labels the scores are not told apart."
    return [*([below] if low is None else []), *([above] if high is None else [])]
