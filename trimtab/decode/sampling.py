"""How the next token is drawn: temperature, then top-k, then top-p, then one uniform number.

    p_i  proportional to  exp(l_i / temperature) over the tokens that are left,    token = F^-1(u),  u in [0, 1)

Top-k leaves the k most probable tokens (of equal ones the first), top-p the smallest set of the most probable ones
whose probability reaches p; no setting has a hidden default. Temperature 0 takes the most probable token, of equal
ones the first. Inverting the distribution function spends exactly one number a token, so that a draw depends on
nothing but the logits and its own number. https://arxiv.org/abs/1904.09751 (top-p)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.errors import UsageError

_BLOCK = 256


@dataclass(frozen=True)
class Sampling:
    """What is left of a next-token distribution. Raises UsageError for a value out of range."""

    temperature: float = 1.0
    """Divides the logits; 0 is greedy."""
    top_k: int | None = None
    """How many of the most probable tokens are left, at least 1; None leaves all."""
    top_p: float | None = None
    """Probability of the most probable tokens that are left, in (0, 1]; None leaves all."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}; wanted 0 (greedy) or more")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k is {self.top_k}; wanted 1 or more, or none to leave all tokens")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; wanted a number in (0, 1], or none to leave all tokens")

    @property
    def truncates(self) -> bool:
        """Whether some tokens can never be drawn."""
        return self.temperature == 0 or self.top_k is not None or (self.top_p is not None and self.top_p < 1)


def draw(
    logits: Float[Tensor, "rows vocabulary"], uniforms: Float[Tensor, "rows"], sampling: Sampling
) -> Int[Tensor, "rows"]:
    """Return one token per row.

    >>> logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    >>> [draw(logits, torch.tensor([u], dtype=torch.float64), Sampling()).item() for u in (0.0, 0.49, 0.51, 0.99)]
    [0, 0, 1, 2]
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    return _invert(weights(logits, sampling), uniforms)


def weights(logits: Float[Tensor, "rows vocabulary"], sampling: Sampling) -> Float[Tensor, "rows vocabulary"]:
    """Return numbers proportional to the probabilities of what is left, the greatest of each row 1."""
    scaled = logits.float()
    if sampling.temperature != 1:
        scaled = scaled / sampling.temperature
    found = (scaled - scaled.amax(-1, keepdim=True)).exp_()
    if sampling.top_k is not None and sampling.top_k < found.shape[-1]:
        found = _only(found, found.topk(sampling.top_k, dim=-1).indices)
    if sampling.top_p is not None and sampling.top_p < 1:
        found = _nucleus(found, sampling.top_p)
    return found


def probabilities(logits: Float[Tensor, "rows vocabulary"], sampling: Sampling) -> Float[Tensor, "rows vocabulary"]:
    """Return the distribution that tokens are drawn from, in float32.

    >>> logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    >>> [round(p, 3) for p in probabilities(logits, Sampling(top_k=2))[0].tolist()]
    [0.625, 0.375, 0.0]
    >>> [round(p, 3) for p in probabilities(logits, Sampling(top_p=0.5))[0].tolist()]
    [1.0, 0.0, 0.0]
    """
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    found = weights(logits, sampling)
    return found / found.sum(-1, keepdim=True)


def _only(values: Tensor, places: Tensor) -> Tensor:
    left = torch.zeros_like(values)
    return left.scatter_(-1, places, values.gather(-1, places))


def _nucleus(values: Tensor, top_p: float) -> Tensor:
    ranked, places = values.sort(dim=-1, descending=True, stable=True)
    before = ranked.double().cumsum(-1) - ranked  # what more probable tokens hold
    kept = before < top_p * ranked.double().sum(-1, keepdim=True)
    return torch.zeros_like(values).scatter_(-1, places, ranked * kept)


def _invert(values: Tensor, uniforms: Tensor) -> Tensor:
    """Return the first token up to which the weights exceed u times their sum.

    Sums of blocks are made first: only one block of each row is then summed token by token.
    """
    rows, vocabulary = values.shape
    missing = -vocabulary % _BLOCK
    filled = torch.nn.functional.pad(values, (0, missing)) if missing else values
    filled = filled.view(rows, -1, _BLOCK)
    blocks = filled.sum(-1).double().cumsum(-1)
    wanted = (uniforms.to(blocks.device, torch.float64) * blocks[:, -1]).unsqueeze(1)
    block = torch.searchsorted(blocks, wanted, right=True).clamp_(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, blocks.gather(1, (block - 1).clamp(min=0)), 0.0)
    inside = filled[torch.arange(rows, device=values.device), block.squeeze(1)]
    sums = inside.double().cumsum(-1) + before
    place = torch.searchsorted(sums, wanted, right=True)
    # rounding may leave the last number beyond the last token of weight: that token is meant
    last = _BLOCK - 1 - inside.flip(-1).ne(0).int().argmax(-1, keepdim=True)
    return (block * _BLOCK + torch.minimum(place, last)).squeeze(1)
