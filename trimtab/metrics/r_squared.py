"""R squared: the share of a number's variance that predictions explain.

R^2 = 1 - sum_i w_i (y_i - v_i)^2 / sum_i w_i (y_i - mean_w y)^2          1 is perfect, the mean alone has 0
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from trimtab.metrics.intervals import LEVEL, Interval, mean_interval
from trimtab.metrics.metric import ratio
from trimtab.metrics.resample import Resample, Scores
from trimtab.types import Array


def r_squared(
    values: Float[Array, "items"], targets: Float[Array, "items"], weights: Float[Array, "draws items"]
) -> Float[Array, "draws"]:
    """Return the explained share under each row of weights, at most 1; nan where the targets do not vary.

    >>> v, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 5.0])
    >>> r_squared(v, y, np.array([[1.0, 1.0, 1.0]])).tolist()
    [0.75]
    """
    centred = targets - targets[0]  # exactly 0 where all are equal
    mean = ratio(weights @ centred, weights.sum(1))
    spread = weights @ centred**2 - weights.sum(1) * mean**2
    return 1 - ratio(weights @ (targets - values) ** 2, spread)


def r_squared_interval(values: Float[Array, "items"], targets: Float[Array, "items"], draws: Resample) -> Interval:
    """Return R squared with its interval over items; without a value where the targets do not vary."""
    point = r_squared(values, targets, np.ones((1, len(targets))))
    if np.isnan(point).any():
        reason = "all targets are equal: there is no variance to explain"
        return Interval(None, None, None, LEVEL, "items_only", reason)
    found = np.concatenate([r_squared(values, targets, weights) for _, weights in draws.chunks()])
    return mean_interval(Scores(point, found[:, None], (-np.inf, 1.0)), draws)
