"""What a tuned model learns: labels, weights and an objective, and how they meet what it says of some items."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from trimtab.fit.losses import losses_of_examples, statistics_of
from trimtab.types import Context, Objective


@dataclass(frozen=True)
class Lesson:
    """Labels of items of one text each: what the student says of a text are the logits of its item."""

    objective: Objective
    labels: Float[Tensor, "items classes"]
    weights: Float[Tensor, "items"]
    """Their mean is 1."""

    def context(
        self, logits: Float[Tensor, "recent classes"], labels: Float[Tensor, "recent classes"], progress: float
    ) -> Context:
        """Return what the objective may know of more than one example, from recent predictions."""
        return Context(progress, statistics_of(self.objective, logits, labels))

    def losses(
        self, said: Float[Tensor, "texts outputs"], items: Int[Tensor, "items"], context: Context
    ) -> tuple[Float[Tensor, "items"], Float[Tensor, "items classes"]]:
        """Return the loss of each item in nats, and its logits."""
        labels = self.labels[items].to(said.device)
        return losses_of_examples(self.objective, said, labels, context), said
