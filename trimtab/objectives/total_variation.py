"""Total variation: half the absolute difference of probabilities.

    L = 1/2 sum_c (sqrt((p_c - q_c)^2 + e^2) - e)            e -> 0: 1/2 sum_c |p_c - q_c|

With hard labels and e -> 0 it is 1 - p_y, the absolute error, of which a wrong label's share is bounded.

Ghosh et al. 2017, absolute error under label noise  https://arxiv.org/abs/1712.09482; among f-divergences from weak to
strong  https://arxiv.org/abs/2506.03109
Differs from the latter, whose own text was not at hand: the kink at p = q is rounded, so that a fit can converge.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.types import Context, Tensor


def total_variation(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], rounding: float
) -> Float[Tensor, "*runs items"]:
    """Return half the rounded absolute difference of each example's probabilities."""
    difference = logits.softmax(-1) - labels
    return ((difference.square() + rounding**2).sqrt() - rounding).sum(-1) / 2


@dataclass(frozen=True)
class TotalVariation(ExampleWise):
    """Half the absolute difference of probabilities, with a rounded kink."""

    rounding: float = 0.05
    """e: differences below it count by their square, in (0, 1]; our choice."""

    def __post_init__(self) -> None:
        if not 0 < self.rounding <= 1:
            raise ValueError(f"rounding must lie in (0, 1], found {self.rounding}")

    @property
    def curvature(self) -> float:
        """That of the rounded kink, and of the probabilities themselves."""
        return 0.2 + 0.125 / self.rounding

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the distance of each example."""
        return total_variation(logits, labels, self.rounding)
