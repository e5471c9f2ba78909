"""Reverse cross-entropy: the weak label is the prediction, the student the truth.

    L = CE(p, q~) = - sum_c p_c log q~_c,        q~ = (q + e) / (1 + C e)

It is linear in the student's probabilities: a wrong label pulls with a bounded force, whatever the student says, and
every example is drawn to the label's top class.

Wang et al. 2019, equation 6 (there log 0 is set to a constant)  https://arxiv.org/abs/1908.06112
Differs from Gengze/W2SG-Bregman, which takes y (1 - e) + e / 2: the smoothing here bounds log-ratios for any number of
classes by log((1 + e) / e).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.smoothing import check_smoothing, reverse_curvature, smoothed
from trimtab.types import Context, Tensor


def reverse_cross_entropy(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], smoothing: float
) -> Float[Tensor, "*runs items"]:
    """Return CE(p, q~) of each example in nats."""
    return -(logits.softmax(-1) * smoothed(labels, smoothing).log()).sum(-1)


@dataclass(frozen=True)
class ReverseCrossEntropy(ExampleWise):
    """Cross-entropy with student and weak label in each other's place."""

    smoothing: float = 0.01
    """What is added to each weak probability before it is normalised again, in (0, 1]; our choice."""

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def curvature(self) -> float:
        """Proportional to the largest log-ratio of the smoothed labels."""
        return reverse_curvature(self.smoothing)

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        return reverse_cross_entropy(logits, labels, self.smoothing)
