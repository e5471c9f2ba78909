"""What label steps that drop items have in common: they choose rows to keep, and every other item gets weight 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from trimtab.errors import FitError
from trimtab.types import Array, Labels


def rounded_up(share: float, items: int) -> int:
    """Return how many of so many items a share is, rounded up.

    >>> rounded_up(0.07, 100), rounded_up(0.1, 7)
    (7, 1)
    """
    # 0.07 * 100 is a little above 7 in binary floating point, and must stay 7
    return int(np.ceil(share * items - 1e-9))


def counting(labels: Labels, step: str) -> Int[Array, "counting"]:
    """Return the rows that still have a weight.

    Raises FitError where there are none; `step` is the name of the label step that asks.
    """
    rows = np.flatnonzero(labels.weights > 0)
    if not len(rows):
        raise FitError(f"{step}: the steps before it have dropped all {len(labels.ids)} items; keep more of them")
    return rows


def kept_only(labels: Labels, kept: Int[Array, "kept"]) -> Labels:
    """Return the labels with weight 0 but for the kept rows, whose weights stay."""
    weights = np.zeros(len(labels.weights))
    weights[kept] = labels.weights[kept]
    return replace(labels, weights=weights)
