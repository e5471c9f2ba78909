"""Pearson's chi-squared divergence: squared differences, dear where the supervisor sees little.

    L = sum_c (p_c - q_c)^2 / (q_c + e)

Pearson 1900  https://doi.org/10.1080/14786440009463897; among f-divergences from weak to strong
https://arxiv.org/abs/2506.03109
Differs from the latter, whose own text was not at hand: e keeps the denominator from 0, so that a sure label has a
finite value; the minimum stays at p = q.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.types import Context, Tensor


def pearson_chi_squared(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], smoothing: float
) -> Float[Tensor, "*runs items"]:
    """Return sum_c (p_c - q_c)^2 / (q_c + e) of each example."""
    return ((logits.softmax(-1) - labels).square() / (labels + smoothing)).sum(-1)


@dataclass(frozen=True)
class PearsonChiSquared(ExampleWise):
    """Squared differences of probabilities over the weak ones."""

    smoothing: float = 0.1
    """What is added to each weak probability in the denominator, above 0; our choice, large enough that the surest
    labels do not decide alone. Large values make it a squared error."""

    def __post_init__(self) -> None:
        if not 0 < self.smoothing < math.inf:
            raise ValueError(f"smoothing must be above 0, found {self.smoothing}")

    @property
    def curvature(self) -> float:
        """Bounded by the largest 1 / (q + e)."""
        return 0.5 / self.smoothing

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the divergence of each example."""
        return pearson_chi_squared(logits, labels, self.smoothing)
