"""The k smallest of very many random numbers, by a bound and without sorting them: two passes, little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, UInt64

from trimtab.types import Array

Values = Callable[[], Iterator[UInt64[Array, "items"]]]
"""Makes the numbers anew for each pass, some at a time."""
_SHIFT, _BINS = np.uint64(48), 1 << 16


def bound_of_smallest(values: Values, wanted: int) -> int | None:
    """Return the bound below which the `wanted` smallest numbers lie; none where there are no more than that.

    Equal numbers stay on one side together, so that there may be fewer than `wanted` below it, never more.

    >>> numbers = np.array([5, 1, 9, 3], np.uint64) << np.uint64(48)
    >>> bound_of_smallest(lambda: iter([numbers]), 2) == int(numbers[0])
    True
    """
    counts = np.zeros(_BINS, np.int64)
    for chunk in values():
        counts += np.bincount((chunk >> _SHIFT).astype(np.int64), minlength=_BINS)
    cumulative = counts.cumsum()
    if cumulative[-1] <= wanted:
        return None
    place = int(np.searchsorted(cumulative, wanted, side="right"))
    below = int(cumulative[place - 1]) if place else 0
    inside = [chunk[(chunk >> _SHIFT) == np.uint64(place)] for chunk in values()]
    return int(np.sort(np.concatenate(inside))[wanted - below])


def below(values: UInt64[Array, "items"], bound: int | None) -> Bool[Array, "items"]:
    """Say which numbers lie below a bound; all of them where it is none."""
    return np.ones(len(values), bool) if bound is None else values < np.uint64(bound)
