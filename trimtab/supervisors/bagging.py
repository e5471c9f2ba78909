"""Bagging: one weak model, trained on several bootstrap samples of the supervisor split.

    q_i = 1/K sum_k q_i^(k),    member k: item weights ~ Multinomial(n, 1/n)

Breiman 1996  https://doi.org/10.1007/BF00058655; as a weak-to-strong supervisor: ADaM-BJTU/W2SG, data sampling
https://arxiv.org/abs/2402.00667
Differs from the latter: items are sampled, not features or layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.learner import Learner
from trimtab.types import Array, Truth

STREAM = 0xBA66
"""Which of a seed's random streams draws the samples."""


def bootstrap_weights(items: int, generator: np.random.Generator) -> Float[Array, "items"]:
    """Return how often each item is drawn in a sample as large as the whole, with replacement."""
    return generator.multinomial(items, np.full(items, 1 / items)).astype(np.float64)


@dataclass(frozen=True)
class Bagging:
    """The average of one weak model over bootstrap samples of its training items."""

    model: Learner
    """The weak model, written like an entry of `weak`."""
    rounds: int = 10
    """Samples, at least 2; 10 is our choice."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "bagging"

    def __post_init__(self) -> None:
        if self.rounds < 2:
            raise ValueError(f"rounds must be at least 2, found {self.rounds}")
