"""The beginning that all inputs have in common, run through a causal model once.

Its keys and values are kept and repeated for every batch, so that instructions or examples before the text cost nothing
per text. Only causal models whose last token is read can do this: the states of the beginning itself are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.models.batches import pad
from trimtab.models.layers import Reached
from trimtab.models.load import Backbone

LEAST_TOKENS = 16
"""A shorter beginning is not worth the copies of its keys and values."""
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 1.0}
"""Largest difference of one state that different orders of summation explain (bf16: 0.9 was seen between paddings)."""


@dataclass(frozen=True)
class SharedPrompt:
    """The keys and values of the first tokens of every input."""

    tokens: int
    cache: Any

    def before(self, mask: Int[Tensor, "items tokens"], device: torch.device) -> dict[str, Any]:
        """Return what a model is given beside the tokens that follow, of which `mask` is 1 on the real ones."""
        cache = deepcopy(self.cache)
        cache.batch_repeat_interleave(len(mask))
        begun = torch.ones(len(mask), self.tokens, dtype=mask.dtype)
        whole = torch.cat([begun, mask.cpu()], 1).to(device)
        return {"attention_mask": whole, "past_key_values": cache, "use_cache": True}

    def hidden_states(
        self, backbone: Backbone, ids: Int[Tensor, "items tokens"], mask: Int[Tensor, "items tokens"]
    ) -> Float[Tensor, "items tokens hidden"]:
        """Return the states of what follows the beginning."""
        return _states(backbone.model, ids, **self.before(mask, backbone.device))


def common_beginning(ids: Sequence[list[int]]) -> int:
    """Return how many first tokens all inputs share, leaving each at least one of its own.

    >>> common_beginning([[5, 6, 7], [5, 6, 8, 9], [5, 6]])
    1
    """
    first, last = min(ids), max(ids)  # in the order of lists these two differ earliest
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(shared, min(map(len, ids)) - 1)


def shared_prompt(backbone: Backbone, ids: Sequence[list[int]], pooling: str) -> SharedPrompt | None:
    """Return what all inputs share, or none where too little is, or where this model does not give the same with it."""
    if not backbone.causal or pooling != "last" or backbone.pads_left or not ids:
        return None
    tokens = common_beginning(ids)
    if tokens < LEAST_TOKENS:
        return None
    found = begun(backbone.model, ids[0][:tokens])
    with torch.inference_mode():
        return found if _is_exact(backbone, found, ids[:4]) else None


def begun(model: Any, beginning: list[int]) -> SharedPrompt:
    """Return the keys and values of a beginning under a model without language head, unchecked."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    tokens = torch.tensor([beginning], device=next(model.parameters()).device)
    with torch.inference_mode():
        _states(model, tokens, attention_mask=torch.ones_like(tokens), past_key_values=cache, use_cache=True)
    return SharedPrompt(len(beginning), cache)


def _states(model: Any, ids: Tensor, **given: Any) -> Tensor:
    try:
        return model(input_ids=ids, **given).last_hidden_state
    except Reached as reached:
        return reached.hidden


def _is_exact(backbone: Backbone, found: SharedPrompt, ids: Sequence[list[int]]) -> bool:
    """Say whether a few inputs get the same last states as without sharing."""
    whole, mask = (one.to(backbone.device) for one in pad(ids, backbone.pad_id, left=False))
    rest, rest_mask = whole[:, found.tokens :], mask[:, found.tokens :]
    wanted = backbone.hidden_states(whole, mask)[:, found.tokens :]
    difference = (found.hidden_states(backbone, rest, rest_mask) - wanted).abs() * rest_mask.unsqueeze(-1)
    return bool(difference.max() <= _TOLERANCE[wanted.dtype])
