"""Product: trust what supervisor and student agree on.

    L = CE(t, p),   t_c = p_c^beta q_c^alpha / sum_k p_k^beta q_k^alpha,   without gradient

Code of Burns et al. 2023, `product_loss_fn`; not in the paper  https://github.com/openai/weak-to-strong
Differs from that code: its `warmup_frac`, which nothing reads there, does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.self_targeted import FollowsItself
from trimtab.types import Context, Tensor


def product_of_beliefs(
    log_p: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    alpha: float,
    beta: float,
) -> Float[Tensor, "*runs items classes"]:
    """Return p^beta q^alpha, normalised."""
    import torch

    # a label of 0 must have a finite logarithm; it stays as good as 0
    log_q = labels.clamp_min(torch.finfo(labels.dtype).tiny).log()
    return (beta * log_p + alpha * log_q).softmax(-1)


@dataclass(frozen=True)
class Product(FollowsItself):
    """Pull the student towards the normalised product of its own belief and the weak label."""

    alpha: float = 1.0
    """Power of the weak label, above 0; 1 in the reference code."""
    beta: float = 1.0
    """Power of the student's own belief, at least 0; 1 in the reference code, 0 leaves the weak label alone."""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"alpha must be above 0, found {self.alpha}")
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"beta must be at least 0, found {self.beta}")

    def target(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items classes"]:
        """Return t, through which no gradient flows."""
        return product_of_beliefs(logits.detach().log_softmax(-1), labels, self.alpha, self.beta)
