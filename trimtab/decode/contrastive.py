"""Contrastive decoding: prefer what the strong model finds more likely than the weak one, among what is plausible.

    score(v) = (1 + beta) log s(v) - beta log a(v)   where  s(v) >= alpha max_w s(w),   else minus infinity

s is the strong (base) model, a the amateur. Li et al. 2023, https://arxiv.org/abs/2210.15097, in the form of O'Brien
and Lewis 2023, https://arxiv.org/abs/2309.09117 ; the scores are normalised into a distribution, which temperature,
top-k and top-p act on. With beta = 0 and alpha = 0 it is the base model. The papers' text was not at hand: the
formula is the one that decoding libraries give them credit for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from trimtab.decode.mixture import Mixture
from trimtab.decode.sequences import Sequences


def contrastive(
    strong: Float[Tensor, "rows vocabulary"], amateur: Float[Tensor, "rows vocabulary"], alpha: float, beta: float
) -> Float[Tensor, "rows vocabulary"]:
    """Return normalised log-probabilities from logits; implausible tokens have minus infinity."""
    sure, unsure = strong.log_softmax(-1), amateur.log_softmax(-1)
    score = (1 + beta) * sure - beta * unsure
    if alpha > 0:
        score = score.masked_fill(sure < sure.amax(-1, keepdim=True) + math.log(alpha), -math.inf)
    return score.log_softmax(-1)


class Contrastive(Mixture):
    """Rows of a strong model against an amateur: members are strong, amateur."""

    def __init__(self, members: Sequence[Sequences], alpha: float, beta: float) -> None:
        super().__init__(members)
        self.alpha, self.beta = alpha, beta

    def mixed(self, logits: Sequence[Float[Tensor, "rows vocabulary"]]) -> Float[Tensor, "rows vocabulary"]:
        """Return the contrastive distribution."""
        return contrastive(logits[0], logits[1], self.alpha, self.beta)
