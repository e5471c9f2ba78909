"""Paired sign-flip test: are differences between two methods on the same prompts as often up as down?

    T = | sum_g d_g |,    p = (1 + #{flips with T_flip >= T}) / (1 + flips)

d_g is the mean difference of a group of related prompts over seeds. It speaks of the answers that were written with
these seeds; what other seeds would say is in the interval. Ernst 2004  https://doi.org/10.1214/088342304000000396
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from trimtab.types import Array

FLIPS = 9_999
STREAM = 0xF11F


def sign_flip(differences: Float[Array, "seeds items"], groups: Sequence[int]) -> float:
    """Return the two-sided p-value; the same differences give the same value."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    summed = np.bincount(place, weights=differences.mean(0), minlength=len(names))
    signs = np.random.default_rng([STREAM]).integers(0, 2, (FLIPS, len(names)), dtype=np.int8) * 2 - 1
    # equal sums differ in their last digits by the order of addition
    threshold = abs(summed.sum()) * (1 - 1e-12)
    return float((1 + (np.abs(signs @ summed) >= threshold).sum()) / (1 + FLIPS))
