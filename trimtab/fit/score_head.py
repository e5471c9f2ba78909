"""From a fitted probe on pairs or choices to the head of one score with which tuning begins.

    pairs    two columns w_1, w_2 on h(second) - h(first)     r = ((w_2 - w_1) / scale)'h
    choices  one column w on h less its item's mean           r = (w / scale)'h

Mean and bias are the same for all answers of an item, and cancel.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trimtab.fit.probe import Head
from trimtab.types import Array


def score_head(fitted: Mapping[str, Array]) -> Head:
    """Return the head of one score from the arrays of a fitted probe's file."""
    weight = fitted["weight"]
    column = weight[:, 1] - weight[:, 0] if weight.ndim == 2 else weight
    return Head(np.ascontiguousarray(column[:, None]), np.zeros(1), np.zeros(len(column)), fitted["scale"])
