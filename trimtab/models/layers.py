"""Read a hidden state below the top without running the blocks above it.

hidden_states[k] of transformers is the input of block k + 1, so a hook before that block can take it and stop
there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError

_PROBE_IDS = ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1))


class Reached(Exception):  # noqa: N818 - not an error: the way out of a forward pass
    """Carries the hidden state that was asked for out of a forward pass."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


def read_layer(model: Any, layer: int) -> nn.ModuleList | None:
    """Make a model stop at hidden state `layer` and return its list of blocks; none where that is the last
    anyway.

    Raises ModelError where the layer does not exist, or where stopping there does not give
    `hidden_states[layer]`.
    """
    width = model.config.get_text_config().vocab_size
    ids = torch.tensor(_PROBE_IDS, device=next(model.parameters()).device) % width
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
    top = len(states) - 1
    if not 0 <= layer <= top:
        raise ModelError(f"layer {layer} does not exist: this {type(model).__name__} has hidden states 0 to {top}")
    if layer == top:
        return None
    for blocks in model.modules():
        if isinstance(blocks, nn.ModuleList) and len(blocks) == top:
            handle = blocks[layer].register_forward_pre_hook(_stop, with_kwargs=True)
            if _stops_at(model, ids, states[layer]):
                return blocks
            handle.remove()
    raise ModelError(
        f"{type(model).__name__} cannot be left early at layer {layer}: no list of its {top} blocks gives "
        "the hidden state of the whole model; leave `layer` out"
    )


def compile_blocks(model: Any, below: int | None) -> None:
    """Compile the blocks of a model up to hidden state `below` (none = all); equal blocks share one compilation.

    Any length of text goes through the same code, so that no length has to be padded to another.
    Raises ModelError where the model has no list of blocks.
    """
    depth = model.config.get_text_config().num_hidden_layers
    lengths = {depth} if below is None else {depth, below + 1}  # one block above the last stays, to stop there
    lists = [one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) in lengths]
    if not lists:
        raise ModelError(f"{type(model).__name__} has no list of its {depth} blocks to compile; leave `compile` out")
    for block in lists[0][:below]:
        block.compile(dynamic=True)


def cut_above(blocks: nn.ModuleList, layer: int) -> None:
    """Free the blocks that are never run; the one that carries the hook stays."""
    del blocks[layer + 1 :]


def _stop(_module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    raise Reached(positional[0] if positional else named["hidden_states"])


def _stops_at(model: Any, ids: Tensor, wanted: Tensor) -> bool:
    with torch.no_grad():
        try:
            model(input_ids=ids)
        except Reached as reached:
            return reached.hidden.shape == wanted.shape and torch.equal(reached.hidden, wanted)
    return False
