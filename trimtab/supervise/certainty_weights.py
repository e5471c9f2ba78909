"""Confidence weights: a label counts as much as its supervisor is sure of it.

    w_i' = w_i (2 u(q_i))^s,     u(q) = (max_c q_c - 1/C) / (2 - 2/C)          C = 2: 2 u = 2 (sigmoid(|margin|) - 1/2)

Confidence-weighted preference optimisation 2026 (CW-PO), C = 2 (sigmoid(s+ - s-) - 1/2)  https://arxiv.org/abs/2603.04968
Differs from the paper, whose own text was not at hand: any number of classes, and a power s that can be set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.errors import FitError
from trimtab.types import Array, Labels, Truth


def certainty_of(probabilities: Float[Array, "items classes"]) -> Float[Array, "items"]:
    """Return how far each top probability is from chance, from 0 to 1.

    >>> certainty_of(np.array([[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]])).round(6).tolist()
    [0.0, 0.8, 1.0]
    """
    chance = 1 / probabilities.shape[1]
    # even probabilities may be rounded to less than chance
    return np.maximum(probabilities.max(1) - chance, 0) / (1 - chance)


@dataclass(frozen=True)
class CertaintyWeights:
    """Weigh every item by the supervisor's certainty."""

    power: float = 1.0
    """s, above 0; 1 is the paper's, larger values look more and more like a filter."""

    truth: ClassVar[Truth] = "none"

    def __post_init__(self) -> None:
        if not 0 < self.power < math.inf:
            raise ValueError(f"power must be above 0, found {self.power}")

    def __call__(self, labels: Labels) -> Labels:
        """Return the labels with other weights.

        Raises FitError where no label prefers any class.
        """
        weights = labels.weights * certainty_of(labels.probabilities) ** self.power
        if not weights.any():
            raise FitError("certainty_weights: no weak label prefers any class, so that every weight would be 0")
        return replace(labels, weights=weights)
