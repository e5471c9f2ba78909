"""A ratio of two seed means as scores, so that it has the interval of every score.

    R = mean_s a_s / mean_s b_s
    a_s / b_s is not formed; seed s counts as    R + (a_s - R b_s) / mean_s b_s

The second term is what seed s adds to the ratio, to first order; its mean over seeds is 0. So the mean of the scores
is the ratio itself, on the items as they are and in each draw of them, and their spread is the ratio's own between
seeds. A seed without anything in its denominator adds nothing and spoils nothing.

Hampel 1974 (influence curve)  https://doi.org/10.1080/01621459.1974.10482962
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from trimtab.metrics.metric import ratio
from trimtab.metrics.resample import Scores
from trimtab.types import Array


def ratio_of_means(top: Scores, bottom: Scores, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Scores:
    """Return scores whose mean over seeds is mean(top) / mean(bottom); nan where the latter is 0 for all seeds.

    >>> top, bottom = (Scores(np.array(one), np.array([one])) for one in ([1.0, 3.0], [4.0, 4.0]))
    >>> ratio_of_means(top, bottom).point.tolist()
    [0.25, 0.75]
    """
    point, draws = (_of(*one) for one in ((top.point, bottom.point), (top.draws, bottom.draws)))
    return Scores(point, draws, bounds)


def _of(top: Float[Array, "*draws seeds"], bottom: Float[Array, "*draws seeds"]) -> Float[Array, "*draws seeds"]:
    base = bottom.mean(-1, keepdims=True)
    value = ratio(top.mean(-1, keepdims=True), base)
    return value + ratio(top - value * bottom, base)
