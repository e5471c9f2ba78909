"""What objectives have in common whose target follows the student's own predictions.

L = CE(t, p),      t of the student's own beliefs, without gradient
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.naive import cross_entropy
from trimtab.types import Context, Tensor


@dataclass(frozen=True)
class FollowsItself(ExampleWise, ABC):
    """The cross-entropy to a target that moves with the student."""

    scheduled: ClassVar[bool] = True
    curvature: ClassVar[float] = 0.5

    @abstractmethod
    def target(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items classes"]:
        """Return rows that sum to 1, through which no gradient flows."""

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        return cross_entropy(logits, self.target(logits, labels, context))
