"""Emulated fine-tuning, also called proxy tuning: the base model's logits moved by what tuning did to small guides.

    log p(y_t | x, y_<t) = log b + sum_i beta_i (log t_i - log u_i) - log Z

b is the base model, (t_i, u_i) the i-th guide pair, tuned and untuned; log-probabilities, then the sum, then
normalised. Temperature, top-k and top-p act on p. With beta = 0 it is the base model; with the base model as the
untuned guide and beta = 1 it is the tuned guide. Several pairs with weights of their own are set at run time.

Mitchell et al. 2023, equation 4  https://arxiv.org/abs/2310.12962 ; Liu et al. 2024
https://arxiv.org/abs/2401.08565
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from trimtab.decode.mixture import Mixture
from trimtab.decode.sequences import Sequences


def emulated(
    base: Float[Tensor, "rows vocabulary"],
    pairs: Sequence[tuple[Float[Tensor, "rows vocabulary"], Float[Tensor, "rows vocabulary"]]],
    beta: Sequence[float],
) -> Float[Tensor, "rows vocabulary"]:
    """Return normalised log-probabilities from logits; `pairs` are (tuned, untuned), with one beta each."""
    found = base.log_softmax(-1)
    for (tuned, untuned), weight in zip(pairs, beta, strict=True):
        found = found + weight * (tuned.log_softmax(-1) - untuned.log_softmax(-1))
    return found.log_softmax(-1)


class Emulated(Mixture):
    """Rows of a base model steered by guide pairs: members are base, tuned 1, untuned 1, tuned 2, ..."""

    def __init__(self, members: Sequence[Sequences], beta: Sequence[float]) -> None:
        super().__init__(members)
        self.beta = tuple(beta)

    def mixed(self, logits: Sequence[Float[Tensor, "rows vocabulary"]]) -> Float[Tensor, "rows vocabulary"]:
        """Return the emulated distribution."""
        pairs = list(zip(logits[1::2], logits[2::2], strict=True))
        return emulated(logits[0], pairs, self.beta)
