"""AUROC: the chance that a random item of the class is scored above one of the others, ties counted half.

    AUROC = sum_{i in pos, j in neg} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (sum_pos w_i * sum_neg w_j)

Two classes: s = p(class 1), class 1 positive. More: the mean over classes of one class against the rest.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.metrics.metric import ratio
from trimtab.types import Array


def auroc(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the area under the ROC curve, in [0, 1]; nan in a draw without any item of some class.

    >>> p = np.array([0.1, 0.4, 0.4, 0.9])
    >>> auroc(np.stack([1 - p, p], 1), np.array([0, 0, 1, 1]), np.ones((1, 4)))  # 3 pairs right, 1 tied
    array([0.875])
    """
    if probabilities.shape[1] == 2:
        return area(probabilities[:, 1], gold == 1, weights)
    areas = [area(probabilities[:, c], gold == c, weights) for c in range(probabilities.shape[1])]
    return np.mean(areas, axis=0)


def area(
    scores: Float[Array, "items"], positive: Bool[Array, "items"], weights: Float[Array, "draws items"]
) -> Float[Array, "draws"]:
    """Return the area under the ROC curve of one class against the rest, in [0, 1]."""
    order = np.argsort(scores, kind="stable")
    ordered = np.take(weights, order, axis=1)  # row-major, unlike weights[:, order]: four times faster below
    positive_mass = ordered * positive[order]
    ordered -= positive_mass
    negative_mass = ordered
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan))  # first item of each run of equal scores
    if len(starts) < len(scores):
        positive_mass = np.add.reduceat(positive_mass, starts, axis=1)
        negative_mass = np.add.reduceat(negative_mass, starts, axis=1)
    below = np.cumsum(negative_mass, axis=1)
    total_negative = below[:, -1].copy()
    negative_mass /= 2
    below -= negative_mass  # negatives strictly below, and half of those tied
    wins = np.einsum("di,di->d", positive_mass, below)
    return ratio(wins, positive_mass.sum(1) * total_negative)
