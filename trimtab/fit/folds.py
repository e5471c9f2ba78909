"""Folds of items for everything that learns some items and is asked about the others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from trimtab.errors import FitError
from trimtab.types import Array


def fold_of_items(groups: Int[Array, "items"], folds: int, seed: int) -> Int[Array, "items"]:
    """Return each item's fold: groups (equal numbers) in random order, each to the fold with the fewest items."""
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise FitError(
            f"{len(names)} groups of items cannot be put into {folds} folds; use fewer folds or more training items"
        )
    order = np.random.default_rng([seed, 0xF01D]).permutation(len(names))
    filled = np.zeros(folds, dtype=int)
    fold = np.zeros(len(names), dtype=int)
    for name in order:
        fold[name] = filled.argmin()
        filled[fold[name]] += sizes[name]
    return fold[index]
