"""Accuracy: the share of items whose most probable class is the right one.

accuracy = sum_i w_i [argmax_c p_ic = y_i] / sum_i w_i          equal probabilities: the lowest class wins
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int

from trimtab.metrics.metric import ratio
from trimtab.types import Array


def correct(
    probabilities: Float[Array, "*seeds items classes"], gold: Int[Array, "items"]
) -> Bool[Array, "*seeds items"]:
    """Return whether each item's most probable class is the right one."""
    return probabilities.argmax(-1) == gold


def accuracy(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the weighted share of right answers, in [0, 1].

    >>> import numpy as np
    >>> p = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    >>> accuracy(p, np.array([0, 1, 1]), np.array([[1.0, 1.0, 2.0]]))
    array([0.5])
    """
    return ratio(weights @ correct(probabilities, gold).astype(float), weights.sum(1))
