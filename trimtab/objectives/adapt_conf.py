"""Adaptive confidence distillation (AdaptConf): each example decides how far the student may trust itself.

    L = (1 - a) CE(q, p) + a CE(h, p),      h = argmax p,  g = argmax q,      a and h without gradient
    a = e^(CE(h, p) / T) / (e^(CE(h, p) / T) + e^(CE(g, p) / T)) = sigmoid((log p_g - log p_h) / T)

a is 1/2 where student and supervisor name the same class and falls to 0 the surer the student is of another one.

Guo et al. 2024, Vision Superalignment, equation 3  https://arxiv.org/abs/2402.03749
Differs from ggjy/vision_weak_to_strong: no ground-truth term (a weak-to-strong student has none), and distillation at
temperature 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.self_targeted import FollowsItself
from trimtab.types import Context, Tensor


def own_weight(
    log_p: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], temperature: float
) -> Float[Tensor, "*runs items"]:
    """Return a of each example."""
    weak = log_p.gather(-1, labels.argmax(-1, keepdim=True)).squeeze(-1)
    return ((weak - log_p.amax(-1)) / temperature).sigmoid()


@dataclass(frozen=True)
class AdaptConf(FollowsItself):
    """Mix the weak label with the student's own hard prediction, by a weight of each example's own."""

    temperature: float = 1.0
    """T in nats, above 0; large values make every weight 1/2. 1 is our choice."""

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, found {self.temperature}")

    def target(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items classes"]:
        """Return (1 - a) q + a h, through which no gradient flows."""
        log_p = logits.detach().log_softmax(-1)
        weight = own_weight(log_p, labels, self.temperature).unsqueeze(-1)
        hard = labels.new_zeros(labels.shape).scatter_(-1, log_p.argmax(-1, keepdim=True), 1.0)
        return (1 - weight) * labels + weight * hard
