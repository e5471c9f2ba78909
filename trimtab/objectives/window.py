"""Window: learn only where the student is still unsure.

    L = 1[u(p) <= radius] CE(q, p),    u(p) = (max_c p_c - 1/C) / (2 - 2/C)        C = 2: u = |p_1 - 1/2|

An example leaves the loss when the student has made up its mind, right or wrong, so that it is not pushed to copy
every mistake of the supervisor to certainty.

EleutherAI/w2s, loss `window`  https://github.com/EleutherAI/w2s
Differs from that code: any number of classes; an example at the very edge is inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float

from trimtab.objectives.certainty import certainty
from trimtab.objectives.naive import cross_entropy
from trimtab.types import Context, Tensor, Truth


def windowed(
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    radius: Float[Tensor, "*runs"],
) -> Float[Tensor, "*runs items"]:
    """Return the cross-entropy of each example whose prediction lies within the radius, 0 of all others."""
    inside = certainty(logits.detach().softmax(-1)) <= radius.unsqueeze(-1)
    return cross_entropy(logits, labels) * inside


@dataclass(frozen=True)
class Window:
    """Leave out the examples of which the student is sure."""

    radius: float | Literal["midweak"] = 0.15
    """Largest distance of the student's top probability from chance that is still trained on, on a scale from 0 to
    1/2 (certainty), in (0, 0.5]; `midweak` takes the median over the weak labels. 0.15 is the reference code's."""

    truth: ClassVar[Truth] = "none"
    scheduled: ClassVar[bool] = True
    curvature: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        if self.radius != "midweak" and not (isinstance(self.radius, float | int) and 0 < self.radius <= 0.5):
            raise ValueError(f'radius must lie in (0, 0.5] or be "midweak", found {self.radius}')

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return the radius."""
        if self.radius == "midweak":
            return {"radius": certainty(labels).quantile(0.5, dim=-1)}
        return {"radius": labels.new_full(labels.shape[:-2], self.radius)}

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the loss of each example in nats."""
        return windowed(logits, labels, context.statistics["radius"])
