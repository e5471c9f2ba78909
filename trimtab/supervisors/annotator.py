"""An annotator with a stated confusion matrix: what a method gains from errors that know nothing of the text.

    h_i = class k with probability A[y_i, k],    q_i = A's column h_i times the class shares, normalised (Bayes)

Dawid and Skene 1979, the model of section 2  https://doi.org/10.2307/2346806
Differs from control (a): the error rates are stated and not those of a weak model, and the label is soft, as sure as
such an annotator should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array, Truth

STREAM = 0xA770
"""Which of a seed's random streams draws the answers."""


def annotated(
    gold: Int[Array, "items"],
    shares: Float[Array, "classes"],
    confusion: Float[Array, "classes classes"],
    generator: np.random.Generator,
) -> Float[Array, "items classes"]:
    """Return the posterior class probabilities after each item's drawn answer."""
    bounds = confusion.cumsum(1)
    bounds /= bounds[:, -1:]  # an answer of probability 0 is never drawn, whatever rounding leaves of a row's sum
    answers = (generator.random(len(gold))[:, None] >= bounds[gold, :-1]).sum(1)
    posterior = confusion[:, answers].T * shares
    return posterior / posterior.sum(1, keepdims=True)


@dataclass(frozen=True)
class Annotator:
    """A made-up annotator who errs at random, at stated rates; made of ground truth, hence an oracle."""

    confusion: tuple[tuple[float, ...], ...] = ((0.8, 0.2), (0.2, 0.8))
    """Row y: probabilities of each answer to an item of class y, summing to 1, in the order of the task's classes."""

    truth: ClassVar[Truth] = "oracle"
    name: ClassVar[str] = "annotator"

    def __post_init__(self) -> None:
        size = len(self.confusion)
        square = size >= 2 and all(len(row) == size for row in self.confusion)
        if not square or not all(abs(sum(row) - 1) < 1e-6 and min(row) >= 0 for row in self.confusion):
            raise ValueError(
                f"confusion must be a square of probabilities with rows that sum to 1, found {list(self.confusion)}"
            )
