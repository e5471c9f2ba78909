"""Jensen-Shannon divergence: how far student and supervisor are from what lies between them.

    L = s KL(q || m) + (1 - s) KL(p || m),      m = s q + (1 - s) p          s = 1/2: at most log 2

Bounded, so that no single label can pull without limit. Divided by s it becomes the cross-entropy as s goes to 0 up to
a constant, and a robust absolute error as s goes to 1.

Lin 1991  https://doi.org/10.1109/18.61115; as a noise-robust loss: Englesson and Azizpour 2021, equation 4
https://arxiv.org/abs/2105.04522; among f-divergences from weak to strong  https://arxiv.org/abs/2506.03109
Differs from the last, whose own text was not at hand: the share s can be set; 1/2 is the divergence named there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float

from trimtab.objectives.example_wise import ExampleWise
from trimtab.types import Context, Tensor


def jensen_shannon(
    logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"], share: float
) -> Float[Tensor, "*runs items"]:
    """Return s KL(q || m) + (1 - s) KL(p || m) of each example in nats."""
    import torch

    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    tiny = torch.finfo(p.dtype).tiny
    log_m = (share * labels + (1 - share) * p).clamp_min(tiny).log()
    weak = torch.xlogy(labels, labels) - labels * log_m
    own = p * (log_p.clamp_min(-1e4) - log_m)
    return (share * weak + (1 - share) * own).sum(-1)


@dataclass(frozen=True)
class JensenShannon(ExampleWise):
    """Bounded, symmetric divergence of student and weak label."""

    share: float = 0.5
    """Share of the weak label in the mixture, in (0, 1); 1/2 is the Jensen-Shannon divergence."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie in (0, 1), found {self.share}")

    @property
    def curvature(self) -> float:
        """A bound on s (1 - s) / 2, its value where p = q, and on what a certain label adds as s goes to 1."""
        own = 1 - self.share
        return own * max(self.share, -0.25 * math.log(own))

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return the divergence of each example in nats."""
        return jensen_shannon(logits, labels, self.share)
