"""From the hidden states of a text's tokens to one vector in float32."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def pool(
    hidden: Float[Tensor, "items tokens hidden"], mask: Int[Tensor, "items tokens"], pooling: str
) -> Float[Tensor, "items hidden"]:
    """Return the hidden state of the last real token ("last") or the average over real tokens ("mean").

    >>> states, mask = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]])
    >>> pool(states, mask, "last").item(), pool(states, mask, "mean").item()
    (3.0, 2.0)
    """
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), last_positions(mask)].float()
    weights = mask.unsqueeze(-1).float()
    return (hidden.float() * weights).sum(1) / weights.sum(1)


def last_positions(mask: Int[Tensor, "items tokens"]) -> Int[Tensor, " items"]:
    """Return where each text's last real token stands.

    >>> last_positions(torch.tensor([[1, 1, 0], [0, 1, 1]])).tolist()
    [1, 2]
    """
    return (torch.arange(mask.shape[1], device=mask.device) * mask).argmax(-1)
