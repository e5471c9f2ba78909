"""Positions of a batch that is padded on the left: some models count them from the mask, some must be
told."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from trimtab.errors import ModelError

_REAL, _PADDED = 5, 3


def positions_of(mask: Int[Tensor, "items tokens"]) -> Int[Tensor, "items tokens"]:
    """Return 0, 1, 2, ... from each item's first real token on; 0 where it is padded."""
    return (mask.long().cumsum(-1) - 1).clamp_min(0)


def left_padding_positions(model: Any, pad_id: int) -> bool:
    """Return whether a model must be told the positions of a batch that is padded on the left.

    Both ways are compared on a few tokens with the same tokens unpadded.

    Raises ModelError where neither gives the unpadded hidden states.
    """
    width = model.config.get_text_config().vocab_size
    device = next(model.parameters()).device
    # real tokens that differ from the padding, because some encoders count positions by it
    real = torch.tensor([[token for token in range(_REAL + 1) if token != pad_id][:_REAL]], device=device) % width
    padding = torch.full((1, _PADDED), pad_id, device=device)
    ids = torch.cat([padding, real], 1)
    mask = torch.cat([torch.zeros_like(padding), torch.ones_like(real)], 1)
    told = {"position_ids": positions_of(mask)} if "position_ids" in inspect.signature(model.forward).parameters else {}
    with torch.no_grad():
        wanted = model(input_ids=real).last_hidden_state.float()
        ways = [model(input_ids=ids, attention_mask=mask).last_hidden_state]
        if told:
            ways.append(model(input_ids=ids, attention_mask=mask, **told).last_hidden_state)
    errors = [float((way[:, _PADDED:].float() - wanted).abs().max()) for way in ways]
    tolerance = 1e-3 if next(model.parameters()).dtype == torch.float32 else 0.1
    allowed = tolerance * float(wanted.abs().max().clamp_min(1))
    if min(errors) > allowed:
        raise ModelError(
            f"{type(model).__name__} gives other hidden states when a batch is padded on the left (difference "
            f"{min(errors):.2g}); use `padding: right`"
        )
    return errors.index(min(errors)) == 1
