"""Symmetric cross-entropy: forward to learn, reverse to withstand wrong labels.

    L = forward CE(q, p) + reverse CE(p, q~),        q~ = (q + e) / (1 + C e)

Wang et al. 2019, equation 7  https://arxiv.org/abs/1908.06112
As a weak-to-strong loss with weights 1 and 0.1: Gengze/W2SG-Bregman  https://arxiv.org/abs/2505.24313
Differs from both: the smoothing, see reverse_cross_entropy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.naive import cross_entropy
from trimtab.objectives.reverse_cross_entropy import reverse_cross_entropy
from trimtab.objectives.smoothing import check_smoothing, reverse_curvature
from trimtab.types import Context, Tensor


def symmetric_cross_entropy(
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    forward: float,
    reverse: float,
    smoothing: float,
) -> Float[Tensor, "*runs items"]:
    """Return the weighted sum of both cross-entropies of each example in nats."""
    return forward * cross_entropy(logits, labels) + reverse * reverse_cross_entropy(logits, labels, smoothing)


@dataclass(frozen=True)
class Symmetric(ExampleWise):
    """Cross-entropy in both directions."""

    forward: float = 1.0
    """Weight of the cross-entropy, at least 0; 1 in W2SG-Bregman."""
    reverse: float = 0.1
    """Weight of the reverse cross-entropy, at least 0; 0.1 in W2SG-Bregman."""
    smoothing: float = 0.01
    """What is added to each weak probability inside the reverse term, in (0, 1]; our choice."""

    def __post_init__(self) -> None:
        for name in ("forward", "reverse"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0, found {getattr(self, name)}")
        if self.forward + self.reverse == 0:
            raise ValueError("forward and reverse are both 0; one of them must be above 0")
        check_smoothing(self.smoothing)

    @property
    def curvature(self) -> float:
        """The weighted sum of the two terms' curvatures."""
        return self.forward / 2 + self.reverse * reverse_curvature(self.smoothing)

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        return symmetric_cross_entropy(logits, labels, self.forward, self.reverse, self.smoothing)
