"""Subsets of labels that lie in each other: the smaller one is part of the larger one.

    S_n = the first n items of one random order of all items        S_1 in S_2 in .. in S_N

The order is drawn by the seed over the sorted ids. It knows neither labels nor truth, so that weak labels and ground
truth of the same split have the same subsets, and class shares are left to chance, as in a smaller study.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from trimtab.errors import FitError
from trimtab.types import Array

STREAM = 0x5B5E
"""Which of a seed's random streams orders the items."""


def nested_subset(ids: Sequence[str], items: int, seed: int) -> Int[Array, "items"]:
    """Return the rows of the first `items` of the seed's order, ascending.

    Raises FitError where there are not so many.
    """
    if items > len(ids):
        raise FitError(f"a subset of {items} items was asked for, and there are {len(ids)}; take smaller sizes")
    order = np.argsort(np.array(ids), kind="stable")
    drawn = np.random.default_rng([seed, STREAM]).permutation(len(ids))
    return np.sort(order[drawn[:items]])
