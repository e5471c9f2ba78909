"""Entropy: mix the weak label with the student's own soft prediction.

    L = (1 - w) CE(q, p) + w CE(sg(p), p),    w = alpha * min(1, progress / warm_up),    sg: without gradient

The second term is the student's entropy; with sg(p) its slope is p - p = 0, so that what remains is the naive slope
times 1 - w: against an L2 penalty, a penalty that grows to 1 / (1 - alpha) of itself.

EleutherAI/w2s, loss `entropy`  https://github.com/EleutherAI/w2s
Differs from that code: the warm-up is a share of the fit, not 100 steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.self_targeted import FollowsItself
from trimtab.objectives.warm_up import check_warm_up, risen
from trimtab.types import Context, Tensor


def mixed_with_own(
    probabilities: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], weight: float
) -> Float[Tensor, "*runs items classes"]:
    """Return (1 - w) q + w p."""
    return (1 - weight) * labels + weight * probabilities


@dataclass(frozen=True)
class Entropy(FollowsItself):
    """Give part of each target to the student's own soft prediction."""

    alpha: float = 0.5
    """Final weight of the student's own prediction, in [0, 1]; the reference code's value."""
    warm_up: float = 0.2
    """Share of the fit over which the weight rises from 0 to alpha, in (0, 1]; as for confidence."""

    def __post_init__(self) -> None:
        check_warm_up(self.alpha, self.warm_up)

    def target(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items classes"]:
        """Return (1 - w) q + w p, through which no gradient flows."""
        weight = risen(self.alpha, self.warm_up, context.progress)
        return mixed_with_own(logits.detach().softmax(-1), labels, weight)
