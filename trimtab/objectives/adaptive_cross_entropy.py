"""Confidence-adaptive cross-entropy (CACE): forward where the supervisor is sure, reverse where it is not.

    L = CE(q, p)  where u(q) >= c,    CE(p, q~)  elsewhere;    u(q) = (max_c q_c - 1/C) / (2 - 2/C)

For two classes u(q) = |q_1 - 1/2|. Unsure labels then pull with a bounded force and towards their top class, instead of
holding the student at their own doubt.

Gengze/W2SG-Bregman, losses CACE_c and Quan_CACE  https://arxiv.org/abs/2505.24313
Differs from that code: any number of classes, and the smoothing (see reverse_cross_entropy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.objectives.certainty import certainty
from trimtab.objectives.naive import cross_entropy
from trimtab.objectives.reverse_cross_entropy import reverse_cross_entropy
from trimtab.objectives.smoothing import check_smoothing, reverse_curvature
from trimtab.types import Context, Tensor, Truth


def adaptive_cross_entropy(
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    threshold: Float[Tensor, "*runs"],
    smoothing: float,
) -> Float[Tensor, "*runs items"]:
    """Return the cross-entropy of each example, forward or reverse, in nats."""
    sure = certainty(labels) >= threshold.unsqueeze(-1)
    return cross_entropy(logits, labels).where(sure, reverse_cross_entropy(logits, labels, smoothing))


@dataclass(frozen=True)
class AdaptiveCrossEntropy:
    """Choose the direction of the cross-entropy by the supervisor's certainty."""

    threshold: float | None = None
    """Certainty from which the forward direction is taken, in [0, 1/2]; 0.1 where neither this nor `quantile` is
    given, the reference code's CACE_0.1."""
    quantile: float | None = None
    """Share of the items, the least certain ones, that take the reverse direction, in [0, 1]; instead of
    `threshold`."""
    smoothing: float = 0.01
    """What is added to each weak probability inside the reverse direction, in (0, 1]; our choice."""

    truth: ClassVar[Truth] = "none"
    scheduled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.threshold is not None and self.quantile is not None:
            raise ValueError("give at most one of threshold and quantile")
        if self.threshold is not None and not 0 <= self.threshold <= 0.5:
            raise ValueError(f"threshold must lie in [0, 0.5], found {self.threshold}")
        if self.quantile is not None and not 0 <= self.quantile <= 1:
            raise ValueError(f"quantile must lie in [0, 1], found {self.quantile}")
        check_smoothing(self.smoothing)

    @property
    def curvature(self) -> float:
        """The larger one of the two directions."""
        return max(0.5, reverse_curvature(self.smoothing))

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return the certainty from which the forward direction is taken."""
        if self.quantile is not None:
            return {"threshold": certainty(labels).quantile(self.quantile, dim=-1)}
        return {"threshold": labels.new_full(labels.shape[:-2], 0.1 if self.threshold is None else self.threshold)}

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        return adaptive_cross_entropy(logits, labels, context.statistics["threshold"], self.smoothing)
