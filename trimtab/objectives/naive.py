"""Naive fine-tuning: learn the weak labels as if they were the truth.

    L = CE(q, p) = - sum_c q_c log p_c          q = weak label, p = student

Burns et al. 2023, section 3  https://arxiv.org/abs/2312.09390
Differs from openai/weak-to-strong: nothing; labels may be soft and of any number of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.types import Context, Tensor, Truth


def cross_entropy(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
) -> Float[Tensor, "*runs items"]:
    """Return the cross-entropy of each example in nats."""
    return -(labels * logits.log_softmax(-1)).sum(-1)


@dataclass(frozen=True)
class Naive:
    """Cross-entropy to the weak label as it is."""

    truth: ClassVar[Truth] = "none"
    scheduled: ClassVar[bool] = False
    curvature: ClassVar[float] = 0.5

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return nothing: each example stands alone."""
        return {}

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the cross-entropy of each example in nats."""
        return cross_entropy(logits, labels)
