"""Squared Hellinger distance: differences of square roots, bounded by 2.

    L = sum_c (sqrt p_c - sqrt q_c)^2 = 2 - 2 sum_c sqrt(p_c q_c)

With hard labels it is 2 (1 - sqrt p_y): the generalised cross-entropy of power 1/2.

Hellinger 1909  https://doi.org/10.1515/crll.1909.136.210; among f-divergences from weak to strong
https://arxiv.org/abs/2506.03109
Differs from the latter, whose own text was not at hand: nothing that the formula shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.types import Context, Tensor


def squared_hellinger(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
) -> Float[Tensor, "*runs items"]:
    """Return sum_c (sqrt p_c - sqrt q_c)^2 of each example."""
    return 2 - 2 * ((logits.log_softmax(-1) / 2).exp() * labels.sqrt()).sum(-1)


@dataclass(frozen=True)
class SquaredHellinger(ExampleWise):
    """Squared distance of the square roots of probabilities."""

    curvature: ClassVar[float] = 0.28

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the distance of each example."""
        return squared_hellinger(logits, labels)
