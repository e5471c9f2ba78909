"""Rebalance: let every class weigh the same, as far as the supervisor can tell classes apart.

    w_i' = w_i (n / (C n_y(i)))^s        y(i) = argmax_c q_ic,  n_c = sum of weights of the items with y(i) = c,
                                         C = classes with n_c > 0,  n = sum of all weights

EleutherAI/w2s drops items of the larger class until both have as many  https://github.com/EleutherAI/w2s
Differs from that code: it balances by ground truth; here the weak labels decide, and items are weighed, not dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array, Labels, Truth


def balancing_weights(
    answers: Int[Array, "items"], weights: Float[Array, "items"], classes: int, strength: float
) -> Float[Array, "items"]:
    """Return each item's weight times (mean class mass / its class's mass)^s.

    >>> balancing_weights(np.array([0, 0, 0, 1]), np.ones(4), 2, 1.0).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    mass = np.bincount(answers, weights, minlength=classes)
    present = mass > 0
    factor = np.zeros(classes)
    factor[present] = (mass.sum() / (present.sum() * mass[present])) ** strength
    return weights * factor[answers]


@dataclass(frozen=True)
class Rebalance:
    """Weigh items by the inverse of how often their weak class occurs."""

    strength: float = 1.0
    """Power of the inverse frequency, in (0, 1]; 1 makes all classes weigh the same."""

    truth: ClassVar[Truth] = "none"

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength must lie in (0, 1], found {self.strength}")

    def __call__(self, labels: Labels) -> Labels:
        """Return the labels with balanced weights; classes that no item has stay without weight."""
        answers = labels.probabilities.argmax(1)
        classes = labels.probabilities.shape[1]
        return replace(labels, weights=balancing_weights(answers, labels.weights, classes, self.strength))
