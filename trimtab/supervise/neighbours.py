"""The nearest neighbours of items in a model's activations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.errors import FitError
from trimtab.types import Array

BLOCK = 1024


def standardised(states: Float[Array, "items hidden"]) -> Float[Array, "items hidden"]:
    """Return activations with mean 0 and deviation 1 in every direction that varies, float32."""
    values = states.astype(np.float64)
    deviation = values.std(0)
    values = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1)
    return values.astype(np.float32)


def nearest(states: Float[Array, "items hidden"], k: int) -> Int[Array, "items k"]:
    """Return each item's k nearest others by Euclidean distance, the nearest first; ties go to the earlier item.

    Raises FitError where there are not more than k items.
    """
    if len(states) <= k:
        raise FitError(f"{k} neighbours cannot be found among {len(states)} items; use a smaller k or more items")
    squared = (states.astype(np.float64) ** 2).sum(1)
    found = np.empty((len(states), k), dtype=np.int64)
    for start in range(0, len(states), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(states)))
        distance = squared[rows, None] + squared - 2 * (states[rows].astype(np.float64) @ states.T.astype(np.float64))
        distance[np.arange(len(rows)), rows] = np.inf
        found[rows] = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return found
