"""Conditional logit by tuning: a model scores every answer of an item, and a softmax over the item's own ones decides.

    z_i = (r_i1, .., r_ik)      L_i = L(z_i, q_i)      p(c | x_i) = exp(r_ic) / sum_d exp(r_id)

Items with equally many answers are taken together, so that the objective sees of an item exactly what it would see if
all had as many: nothing is masked. It is told nothing of other examples, which have answers of their own
(`plan/choosing.py` refuses objectives that ask for it).

McFadden 1974, conditional logit  https://eml.berkeley.edu/reprints/mcfadden/zarembka.pdf
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from trimtab.fit.answers import tables
from trimtab.fit.lesson import Lesson
from trimtab.fit.losses import losses_of_examples
from trimtab.types import Context


@dataclass(frozen=True)
class ChoiceLesson(Lesson):
    """Labels of items with answers of their own; the student gives each answer one score."""

    counts: Int[Tensor, "items"]
    """Answers of each item."""

    def context(
        self, logits: Float[Tensor, "recent places"], labels: Float[Tensor, "recent places"], progress: float
    ) -> Context:
        return Context(progress)

    def losses(
        self, said: Float[Tensor, "texts one"], items: Int[Tensor, "items"], context: Context
    ) -> tuple[Float[Tensor, "items"], Float[Tensor, "items places"]]:
        """Return the loss of each item in nats, and its scores, with 0 beyond its last answer."""
        values, logits = said.new_zeros(len(items)), said.new_zeros(len(items), self.labels.shape[1])
        for alike, table in tables(said.squeeze(-1), self.counts[items].tolist()):
            count = table.shape[1]
            labels = self.labels[items[alike], :count].to(said.device)
            values[alike] = losses_of_examples(self.objective, table, labels, context)
            logits[alike, :count] = table.detach()
        return values, logits
