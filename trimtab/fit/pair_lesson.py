"""Reward modelling by tuning: a model scores both answers of a pair, and learns the pair in both orders.

    z_i = (r_i1, r_i2)        L_i = 1/2 [ L(z_i, q_i) + L(z_i turned, q_i turned) ]
    p(second is better) = sigmoid(r_i2 - r_i1)

What the objective knows of more than one example is computed over both orders too: there each side is the better one
equally often. So no objective, whatever it does with classes, can learn anything from which answer stands first.

Bradley and Terry 1952  https://doi.org/10.2307/2334029; Christiano et al. 2017, section 2.2.3
https://arxiv.org/abs/1706.03741
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.fit.lesson import Lesson
from trimtab.fit.losses import losses_of_examples
from trimtab.types import Context


def in_both_orders(rows: Float[Tensor, "pairs two"]) -> Float[Tensor, "twice two"]:
    """Return pairs as they are, then turned round."""
    return torch.cat([rows, rows.flip(-1)])


@dataclass(frozen=True)
class PairLesson(Lesson):
    """Labels of pairs; the student gives each answer one score."""

    def context(
        self, logits: Float[Tensor, "recent two"], labels: Float[Tensor, "recent two"], progress: float
    ) -> Context:
        return super().context(in_both_orders(logits), in_both_orders(labels), progress)

    def losses(
        self, said: Float[Tensor, "texts one"], items: Int[Tensor, "items"], context: Context
    ) -> tuple[Float[Tensor, "items"], Float[Tensor, "items two"]]:
        logits, labels = said.reshape(-1, 2), self.labels[items].to(said.device)
        values = losses_of_examples(self.objective, in_both_orders(logits), in_both_orders(labels), context)
        return values.reshape(2, -1).mean(0), logits
