"""Jeffreys divergence: forward and reverse Kullback-Leibler at once.

    L = KL(q~ || p) + KL(p || q~) = sum_c (p_c - q~_c) (log p_c - log q~_c),        q~ = (q + e) / (1 + C e)

Jeffreys 1946  https://doi.org/10.1098/rspa.1946.0056; among f-divergences from weak to strong
https://arxiv.org/abs/2506.03109
Differs from the latter, whose own text was not at hand: weak labels are smoothed.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.reverse_kl import OWN_CURVATURE
from trimtab.objectives.smoothing import check_smoothing, reverse_curvature, smoothed
from trimtab.types import Context, Tensor


def jeffreys(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], smoothing: float
) -> Float[Tensor, "*runs items"]:
    """Return KL(q~ || p) + KL(p || q~) of each example in nats."""
    log_p, weak = logits.log_softmax(-1), smoothed(labels, smoothing)
    return ((log_p.exp() - weak) * (log_p - weak.log())).sum(-1)


@dataclass(frozen=True)
class Jeffreys(ExampleWise):
    """Sum of both Kullback-Leibler divergences."""

    smoothing: float = 0.01
    """What is added to each weak probability before it is normalised again, in (0, 1]; our choice."""

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def curvature(self) -> float:
        """The sum of the two directions' curvatures."""
        return 0.5 + OWN_CURVATURE + reverse_curvature(self.smoothing)

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the divergence of each example in nats."""
        return jeffreys(logits, labels, self.smoothing)
