"""Auxiliary confidence: let the student disagree with a supervisor that it has outgrown.

    L = (1 - w) CE(q, p) + w CE(h, p),   h = argmax_c (log p_c + b_c), without gradient
    w = alpha * min(1, progress / warm_up)

b keeps the weak labels' class balance among the hard labels h, so that the student cannot grow sure of one class.

Burns et al. 2023, section 4.3  https://arxiv.org/abs/2312.09390
Differs from the paper: the balance is held over the whole transfer set (or a buffer of at least 1,024 predictions)
and not over a batch, and for any number of classes; for two classes it is the paper's threshold.
Differs from openai/weak-to-strong: w rises linearly and stays at alpha; there it jumps at the end of the warm-up
(its pull request 33).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.objectives.class_balance import balanced_offset
from trimtab.objectives.naive import cross_entropy
from trimtab.objectives.warm_up import check_warm_up, risen
from trimtab.types import Context, Tensor, Truth


def auxiliary_confidence(
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    offset: Float[Tensor, "*runs classes"],
    weight: float,
) -> Float[Tensor, "*runs items"]:
    """Return (1 - w) CE(q, p) + w CE(h, p) of each example in nats."""
    log_p = logits.log_softmax(-1)
    hard = (log_p.detach() + offset.unsqueeze(-2)).argmax(-1, keepdim=True)
    return (1 - weight) * cross_entropy(logits, labels) - weight * log_p.gather(-1, hard).squeeze(-1)


@dataclass(frozen=True)
class Confidence:
    """Mix the weak label with the student's own hardened, class-balanced prediction."""

    alpha: float = 0.5
    """Final weight of the student's own prediction, in [0, 1]; 0.5 is the paper's value for all but its largest
    students (0.75 there)."""
    warm_up: float = 0.2
    """Share of the fit over which the weight rises from 0 to alpha, in (0, 1]; the paper's value."""

    truth: ClassVar[Truth] = "none"
    scheduled: ClassVar[bool] = True
    curvature: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        check_warm_up(self.alpha, self.warm_up)

    def weight(self, progress: float) -> float:
        """Return w at a share of the fit in [0, 1]."""
        return risen(self.alpha, self.warm_up, progress)

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return the class offset b that keeps the weak labels' mean class shares."""
        return {"class_offset": balanced_offset(logits.log_softmax(-1), labels.mean(-2))}

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        offset = context.statistics["class_offset"]
        return auxiliary_confidence(logits, labels, offset, self.weight(context.progress))
