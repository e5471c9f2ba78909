"""Reverse Kullback-Leibler divergence: the student may leave out what the supervisor holds possible.

    L = KL(p || q~) = sum_c p_c (log p_c - log q~_c),        q~ = (q + e) / (1 + C e)

Zero-forcing: mass where the supervisor sees none is dear, mass that is missing is cheap, so that the student settles
on one of several answers instead of covering all.

Yao et al. 2025, Revisiting Weak-to-Strong Generalization: reverse KL and forward KL  https://arxiv.org/abs/2502.11107
Differs from the paper, whose own text was not at hand: weak labels are smoothed, since log 0 has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.smoothing import check_smoothing, reverse_curvature, smoothed
from trimtab.types import Context, Tensor

OWN_CURVATURE = 1.0
"""Largest curvature of sum_c p_c log p_c in the logits, in nats: 0.5 for two classes, about 0.2 log C more for C, up to
60 classes."""


def reverse_kl(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], smoothing: float
) -> Float[Tensor, "*runs items"]:
    """Return KL(p || q~) of each example in nats."""
    log_p = logits.log_softmax(-1)
    return (log_p.exp() * (log_p - smoothed(labels, smoothing).log())).sum(-1)


@dataclass(frozen=True)
class ReverseKL(ExampleWise):
    """Kullback-Leibler divergence of the weak label from the student."""

    smoothing: float = 0.01
    """What is added to each weak probability before it is normalised again, in (0, 1]; our choice."""

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def curvature(self) -> float:
        """That of the student's entropy and of the logarithms of the smoothed labels."""
        return OWN_CURVATURE + reverse_curvature(self.smoothing)

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the divergence of each example in nats."""
        return reverse_kl(logits, labels, self.smoothing)
