"""Brier score: the squared distance between the probabilities and what was true.

    Brier = sum_i w_i (1/2) sum_c (p_ic - [y_i = c])^2 / sum_i w_i

The half makes the two-class value the usual (p_1 - y)^2 and keeps any number of classes in [0, 1]; Brier's
own definition is twice this.

Brier 1950, Monthly Weather Review 78, 1-3  https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.metrics.metric import ratio
from trimtab.types import Array


def brier(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the mean squared error of the probabilities, in [0, 1]; 0 is perfect.

    >>> brier(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0, 1]), np.ones((1, 2)))  # (0.04 + 0.25) / 2
    array([0.145])
    """
    true = gold[:, None] == np.arange(probabilities.shape[1])
    return ratio(weights @ (((probabilities - true) ** 2).sum(1) / 2), weights.sum(1))
