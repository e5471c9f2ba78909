"""Ground truth as labels: one-hot rows.

Only the supervisor split's truth may reach a weak supervisor; the transfer split's truth makes the ceiling and the
controls and is marked as an oracle.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array, Labels, Truth


def one_hot(gold: Int[Array, "items"], classes: int) -> Float[Array, "items classes"]:
    """Return probability 1 for each item's true class."""
    return np.eye(classes)[gold]


def gold_labels(ids: tuple[str, ...], gold: Int[Array, "items"], classes: int, truth: Truth) -> Labels:
    """Return ground truth as labels of weight 1, marked with how much truth they are."""
    return Labels(ids, one_hot(gold, classes), np.ones(len(ids)), truth)
