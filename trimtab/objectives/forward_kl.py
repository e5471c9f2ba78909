"""Forward Kullback-Leibler divergence: the student must cover all that the supervisor holds possible.

    L = KL(q || p) = sum_c q_c (log q_c - log p_c) = CE(q, p) - H(q)

The entropy of the label is a constant: slope and minimiser are those of naive, the value is 0 where p = q.

Kullback and Leibler 1951  https://doi.org/10.1214/aoms/1177729694
Differs from EleutherAI/weak-to-strong, whose default for students it is: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.naive import cross_entropy
from trimtab.types import Context, Tensor


def forward_kl(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
) -> Float[Tensor, "*runs items"]:
    """Return KL(q || p) of each example in nats."""
    return cross_entropy(logits, labels) + labels.xlogy(labels).sum(-1)


@dataclass(frozen=True)
class ForwardKL(ExampleWise):
    """Kullback-Leibler divergence of the student from the weak label."""

    curvature: ClassVar[float] = 0.5

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the divergence of each example in nats."""
        return forward_kl(logits, labels)
