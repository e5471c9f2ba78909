"""Where only the last token of each text is read, the last block's feed-forward part runs for that token alone.

It sees every token by itself, and what it gives is only added to the block's states, so that the token that is read
gets the same as before; the other tokens get something that nobody reads. Which models allow it is found by a
comparison on a few tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimtab.models.layers import Reached
from trimtab.models.pooling import last_positions

_PROBE_IDS = ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1))
_PROBE_MASK = ((1, 1, 1, 1, 1), (1, 1, 1, 0, 0))
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference between the two, as a share of the largest hidden value."""


@contextmanager
def only_last_token(feed_forward: nn.Module, mask: Int[Tensor, "items tokens"]) -> Iterator[None]:
    """Give a feed-forward part the last real token of each text only, inside the block; it returns one token a text."""
    texts, last = torch.arange(len(mask), device=mask.device), last_positions(mask)

    def narrow(_module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given: Float[Tensor, "items tokens hidden"] = positional[0] if positional else named["hidden_states"]
        read = given[texts, last].unsqueeze(1)
        return ((read, *positional[1:]), named) if positional else (positional, named | {"hidden_states": read})

    handle = feed_forward.register_forward_pre_hook(narrow, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def last_feed_forward(model: Any, layer: int | None) -> nn.Module | None:
    """Return the feed-forward part of the last block that runs before hidden state `layer` (none = the top).

    None where the model has no such part, or where it does not give the last token the same alone.
    """
    stored = model.config.get_text_config().num_hidden_layers
    depth = stored if layer is None else min(layer, stored)
    # an early exit leaves one block above those that run
    lists = [one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) in (depth, depth + 1)]
    found = getattr(lists[0][depth - 1], "mlp", None) if lists and depth > 0 else None
    return found if isinstance(found, nn.Module) and _is_exact(model, found) else None


def _is_exact(model: Any, feed_forward: nn.Module) -> bool:
    device = next(model.parameters()).device
    ids = torch.tensor(_PROBE_IDS, device=device) % model.config.get_text_config().vocab_size
    mask = torch.tensor(_PROBE_MASK, device=device)
    wanted = _last_states(model, ids, mask)
    try:
        with only_last_token(feed_forward, mask):
            found = _last_states(model, ids, mask)
    except (RuntimeError, TypeError, LookupError, ValueError):  # its block does more with it than add it
        return False
    difference = (found - wanted).abs().max() / wanted.abs().max()
    return bool(difference <= _TOLERANCE[next(model.parameters()).dtype])


def _last_states(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    with torch.no_grad():
        try:
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        except Reached as reached:
            states = reached.hidden
    return states[torch.arange(len(ids), device=ids.device), last_positions(mask)].float()
