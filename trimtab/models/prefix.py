"""Split a model below its top blocks: what the lower ones give is computed once and enters the upper ones from then on.

A hollowed model is the same model whose lower blocks hold no weights and pass on what they are given, and whose block
`first` takes stored states in the place of its input. All else runs as before: token embeddings, positions, masks,
relative biases, rotary angles per layer, sliding windows, the final norm. So nothing is left out or applied twice,
whatever the family. What cannot be split (weights shared between blocks, blocks that hand each other more than hidden
states) is found by a comparison with the whole model (`check_cut`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.models.layers import Reached
from trimtab.models.load import Backbone

_PROBE_IDS = ((1, 2, 3), (3, 2, 1))
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference between hollowed and whole model, as a share of the largest hidden value."""


@dataclass(frozen=True)
class Cut:
    """Where a model is split; names are those of the model's own modules."""

    blocks: str
    """The list of blocks."""
    first: int
    """The lowest block above the cut; hidden state `first` is what enters it."""
    depth: int
    """How many blocks are run."""
    returns_tuple: bool
    """Whether a block returns its hidden states as the first of several things."""
    after: tuple[str, ...]
    """Modules with weights that run after the last block only (a final norm)."""

    def above(self, model: nn.Module) -> list[nn.Module]:
        """Return the blocks above the cut."""
        return list(_list_of(model, self.blocks))[self.first : self.depth]

    def upper(self, model: nn.Module) -> list[nn.Module]:
        """Return everything with weights above the cut: the blocks and what runs after them."""
        return [*self.above(model), *(model.get_submodule(name) for name in self.after)]


class Entrance:
    """Gives the block above the cut stored states in the place of its input, in the format of its weights."""

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        self.states: Tensor | None = None
        self._dtype = dtype

    def __call__(self, _module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Replace the first argument or the one called `hidden_states` (a hook before the block)."""
        given = positional[0] if positional else named["hidden_states"]
        states = (given if self.states is None else self.states).to(self._dtype or given.dtype)
        return ((states, *positional[1:]), named) if positional else (positional, named | {"hidden_states": states})


class _Passage(nn.Module):
    """Stands for a block below the cut: no weights, its plain attributes, and its input as its output."""

    def __init__(self, block: nn.Module, returns_tuple: bool) -> None:
        super().__init__()
        own = set(vars(self))
        # models ask their blocks for plain attributes, such as the kind of attention
        vars(self).update({name: value for name, value in vars(block).items() if name not in own})
        self._returns_tuple = returns_tuple

    def forward(self, hidden_states: Tensor, *_positional: Any, **_named: Any) -> Any:
        return (hidden_states,) if self._returns_tuple else hidden_states


def find_cut(backbone: Backbone, layer: int | None, top: int) -> Cut:
    """Return where to split a model (read at hidden state `layer`, none = the last) so that `top` blocks are above.

    Raises ModelError where there are fewer blocks, or no list of blocks that run one after the other.
    """
    model = backbone.model
    stored = model.config.get_text_config().num_hidden_layers
    depth = stored if layer is None else min(layer, stored)
    kind = type(model).__name__
    if top > depth:
        raise ModelError(f"`layers: {{top: {top}}}` asks for more than the {depth} blocks that this {kind} runs")
    for name, blocks in model.named_modules():
        # an early exit leaves one block above those that run
        if isinstance(blocks, nn.ModuleList) and len(blocks) in (depth, depth + 1):
            watched = _watch(backbone, name, depth)
            if watched is not None:
                returns_tuple, after = watched
                return Cut(name, depth - top, depth, returns_tuple, after)
    raise ModelError(
        f"{kind} cannot be split into layers: it has no list of {depth} blocks that run one after the other; leave "
        "`layers` out"
    )


def _list_of(model: nn.Module, name: str) -> nn.ModuleList:
    blocks = model.get_submodule(name)
    assert isinstance(blocks, nn.ModuleList)
    return blocks


def _watch(backbone: Backbone, name: str, depth: int) -> tuple[bool, tuple[str, ...]] | None:
    """Run a few tokens; return whether blocks return tuples and what runs after them, or none if they do not run in
    order, each once.
    """
    model = backbone.model
    blocks = list(_list_of(model, name))[:depth]
    ran: list[int] = []
    tuples: list[bool] = []
    before, after = set[str](), list[str]()

    def entered(number: int) -> Any:
        return lambda *_: ran.append(number)

    def left(_module: nn.Module, _inputs: Any, output: Any) -> None:
        tuples.append(isinstance(output, tuple))

    def other(module_name: str) -> Any:
        return lambda *_: after.append(module_name) if len(tuples) == depth else before.add(module_name)

    handles = [block.register_forward_pre_hook(entered(number)) for number, block in enumerate(blocks)]
    handles += [block.register_forward_hook(left) for block in blocks]
    for module_name, module in model.named_modules():
        # a pooler reads the last hidden states and is not part of them
        elsewhere = not module_name.startswith((f"{name}.", "pooler."))
        if elsewhere and any(True for _ in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(other(module_name)))
    ids = torch.tensor(_PROBE_IDS, device=backbone.device) % model.config.get_text_config().vocab_size
    try:
        with torch.no_grad():
            backbone.hidden_states(ids, torch.ones_like(ids))
    finally:
        for handle in handles:
            handle.remove()
    if ran != list(range(depth)) or len(set(map(id, blocks))) != depth:
        return None
    return any(tuples), tuple(dict.fromkeys(one for one in after if one not in before))


def lower_states(
    backbone: Backbone, cut: Cut, ids: Int[Tensor, "items tokens"], mask: Int[Tensor, "items tokens"], bf16: bool
) -> Float[Tensor, "items tokens hidden"]:
    """Return the hidden states that enter the lowest block above the cut; the blocks above are not run."""

    def take(_module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise Reached(positional[0] if positional else named["hidden_states"])

    handle = _list_of(backbone.model, cut.blocks)[cut.first].register_forward_pre_hook(take, with_kwargs=True)
    try:
        with torch.autocast(backbone.device.type, torch.bfloat16, enabled=bf16):
            states = backbone.hidden_states(ids, mask)
    finally:
        handle.remove()
    return states.to(torch.bfloat16) if bf16 else states


def hollowed(backbone: Backbone, cut: Cut, trained: bool) -> Backbone:
    """Return a backbone without the blocks below the cut; it shares the weights of the other one.

    With `trained` the weights above the cut are copies, so that they may be changed.
    """
    model = backbone.model
    kept = dict.fromkeys(id(value) for part in cut.upper(model) for value in part.parameters()) if trained else {}
    memo: dict[int, Any] = {id(value): value for value in model.parameters() if id(value) not in kept}
    blocks = _list_of(model, cut.blocks)
    memo |= {id(block): _Passage(block, cut.returns_tuple) for block in list(blocks)[: cut.first]}
    copied, feed_forward = copy.deepcopy((model, backbone.last_feed_forward), memo)
    return replace(backbone, model=copied, last_feed_forward=feed_forward)


def entrance_of(backbone: Backbone, cut: Cut, dtype: torch.dtype | None = None) -> Entrance:
    """Make the block above the cut take stored states, and return where to put them."""
    entrance = Entrance(dtype)
    cut.above(backbone.model)[0].register_forward_pre_hook(entrance, with_kwargs=True)
    return entrance


def check_cut(
    backbone: Backbone, cut: Cut, ids: Int[Tensor, "items tokens"], mask: Int[Tensor, "items tokens"], bf16: bool
) -> float:
    """Return the largest difference between hollowed and whole model on a few texts, as a share of the largest value.

    Raises ModelError where it is more than rounding.
    """
    kind, above = type(backbone.model).__name__, cut.depth - cut.first
    # made before the whole model sees these texts, so that it cannot have kept anything of them
    hollow = hollowed(backbone, cut, trained=False)
    with torch.no_grad(), torch.autocast(backbone.device.type, torch.bfloat16, enabled=bf16):
        wanted = backbone.hidden_states(ids, mask)[mask.bool()].float()
        # stored states end with the text: padded places hold nothing
        states = lower_states(backbone, cut, ids, mask, bf16) * mask.unsqueeze(-1)
    try:
        found = _from_states(hollow, cut, states, ids, mask, bf16)[mask.bool()].float()
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{kind} cannot be trained on stored states: its top {above} blocks do not run without those below "
            f"({type(error).__name__}: {error}); set `prefix_cache: false` in `fit`"
        ) from error
    difference = float((found - wanted).abs().max() / wanted.abs().max())
    if not difference <= _TOLERANCE[torch.bfloat16 if bf16 else torch.float32]:
        raise ModelError(
            f"{kind} cannot be trained on stored states: its top {above} blocks alone give hidden states that differ "
            f"by {difference:.2g} of the largest from the whole model's; set `prefix_cache: false` in `fit`"
        )
    return difference


def _from_states(hollow: Backbone, cut: Cut, states: Tensor, ids: Tensor, mask: Tensor, bf16: bool) -> Tensor:
    """Return the last hidden states that the blocks above the cut give alone."""
    entrance_of(hollow, cut).states = states
    with torch.no_grad(), torch.autocast(hollow.device.type, torch.bfloat16, enabled=bf16):
        return hollow.hidden_states(ids, mask)
