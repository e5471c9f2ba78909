"""Balanced accuracy: the mean over classes of the share of that class that is answered rightly.

balanced accuracy = (1 / C) sum_c  sum_i w_i [y_i = c][yhat_i = c] / sum_i w_i [y_i = c]
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.metrics.metric import ratio
from trimtab.types import Array


def balanced_accuracy(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the mean recall over classes, in [0, 1]; nan in a draw without any item of some class.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> balanced_accuracy(p, np.array([0, 0, 0, 1]), np.ones((1, 4)))
    array([0.5])
    """
    classes = np.arange(probabilities.shape[1])
    actual = (gold[:, None] == classes).astype(float)
    hit = actual * (probabilities.argmax(1)[:, None] == classes)
    return ratio(weights @ hit, weights @ actual).mean(1)  # one missing class makes the mean nan
