"""Macro F1: the mean over classes of the harmonic mean of precision and recall.

    F1_c = 2 TP_c / (predicted_c + actual_c)          macro F1 = (1 / C) sum_c F1_c

Undefined (nan) where a class has no item: its recall does not exist. A class that has items but is never
predicted has F1 = 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array


def macro_f1(
    probabilities: Float[Array, "items classes"],
    gold: Int[Array, "items"],
    weights: Float[Array, "draws items"],
) -> Float[Array, "draws"]:
    """Return the mean F1 over classes, in [0, 1]; nan in a draw without any item of some class.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> macro_f1(p, np.array([0, 0, 0, 1]), np.ones((1, 4))).round(4)  # F1 = 4/5 and 2/3
    array([0.7333])
    """
    classes = np.arange(probabilities.shape[1])
    actual = (gold[:, None] == classes).astype(float)
    predicted = (probabilities.argmax(1)[:, None] == classes).astype(float)
    n_actual = weights @ actual
    n_both = n_actual + weights @ predicted
    f1 = np.full(n_both.shape, np.nan)
    np.divide(2 * (weights @ (actual * predicted)), n_both, out=f1, where=n_actual > 0)
    return f1.mean(1)
