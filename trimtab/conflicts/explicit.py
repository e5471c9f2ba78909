"""Explicit conflict: the student is paid for being wrong where it is wrong already.

    L_i = CE(q_i, p_i) + alpha m_i CE((1 - g_i) / (K - 1), p_i),        m_i = [argmax p'_i != g_i]
        = (1 + alpha m_i) CE(q'_i, p_i),        q'_i = (q_i + alpha m_i (1 - g_i) / (K - 1)) / (1 + alpha m_i)

q are the labels that the method would learn without it, g the truth as one-hot rows, K the number of classes, and p'
the same student after the round before. So every round is a fit on changed labels q' of changed weight, which any model
can learn; the student of round 0 has learnt q.

Yang et al. 2024 (explicit conflict, alpha 0.5)  https://arxiv.org/abs/2406.11431
Differs from its code: the gate m is renewed between whole fits, by what the student says of the items after a fit;
there it follows every step of one training. Gating on the weak label is ours: it needs no truth. With another objective
than naive the labels and weights are the same, and the first line is no longer what is minimised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array, Truth


def paid_for_errors(
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    right: Int[Array, "items"],
    answers: Int[Array, "items"],
    alpha: float,
) -> tuple[Float[Array, "items classes"], Float[Array, "items"]]:
    """Return the labels q' and their weights w (1 + alpha m); `answers` are the student's, `right` is the class it is
    paid to avoid.

    >>> labels, weights = paid_for_errors(np.array([[0.5, 0.5], [0.5, 0.5]]), np.ones(2), np.array([1, 1]),
    ...                                   np.array([0, 1]), alpha=1.0)
    >>> labels.tolist(), weights.tolist()
    ([[0.75, 0.25], [0.5, 0.5]], [2.0, 1.0])
    """
    paid = alpha * (answers != right)
    classes = labels.shape[1]
    wrong = (1 - np.eye(classes)[right]) / (classes - 1)
    return (labels + paid[:, None] * wrong) / (1 + paid)[:, None], weights * (1 + paid)


@dataclass(frozen=True)
class Explicit:
    """Be wrong where you are wrong: a second term of the loss, on the items that the gate opens."""

    alpha: float = 0.5
    """Weight of the second term beside the first, at least 0; 0 is no conflict."""
    gate: Literal["truth", "weak_label"] = "truth"
    """What the student's answer is compared with: the truth, as in the paper (an oracle), or the label that it was
    told."""
    rounds: int = 3
    """Fits after the first one, each with a gate from the one before; at least 1."""

    name: ClassVar[str] = "explicit"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha must be a finite number of at least 0, found {self.alpha}")
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, found {self.rounds}")

    @property
    def truth(self) -> Truth:
        """The gate on the truth reads that of every transfer item."""
        return "oracle" if self.gate == "truth" else "none"

    @property
    def absent(self) -> bool:
        """Whether nothing is paid."""
        return self.alpha == 0
