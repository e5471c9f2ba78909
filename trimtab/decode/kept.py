"""Keys and values of many texts of different lengths, in place, row by row.

Row b holds its own text from column 0 on, so that a token's column is its position and no row knows of another's
length: what is beyond a row's length is rubbish that no mask lets through. New tokens are written where the row
ends.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class Kept(Cache):
    """The keys and values of all layers. `lengths` says how many tokens each row holds."""

    def __init__(self, rows: int, layers: int, device: torch.device) -> None:
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        super().__init__(layers=[_Layer(self) for _ in range(layers)])

    @property
    def longest(self) -> int:
        """The greatest number of tokens that a row holds."""
        return int(self.lengths.max()) if len(self.lengths) else 0

    def positions(self, tokens: int) -> Int[Tensor, "rows tokens"]:
        """Return the positions of the next tokens of each row."""
        return self.lengths.unsqueeze(1) + torch.arange(tokens, device=self.lengths.device)

    def mask(self, tokens: int) -> Bool[Tensor, "rows 1 tokens columns"]:
        """Return which columns each of the next tokens may see: all up to itself."""
        columns = torch.arange(self.longest + tokens, device=self.lengths.device)
        return (columns <= self.positions(tokens).unsqueeze(-1)).unsqueeze(1)

    def select(self, rows: Int[Tensor, "chosen"]) -> None:
        """Keep these rows, in this order; a row may be taken more than once."""
        longest = self.longest
        for layer in self.layers:
            layer.select(rows, longest)  # pyright: ignore[reportAttributeAccessIssue]
        self.lengths = self.lengths[rows]

    def fork(self) -> Kept:
        """Return keys and values that share their tensors with these until they are selected from."""
        found = Kept(0, 0, self.lengths.device)
        found.lengths = self.lengths
        found.layers = [layer.fork(found) for layer in self.layers]  # pyright: ignore[reportAttributeAccessIssue]
        return found

    def crop(self, lengths: Int[Tensor, "rows"]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Forget what is beyond these lengths."""
        self.lengths = torch.minimum(self.lengths, lengths)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the greatest length; transformers asks for it, positions are always given."""
        return self.longest


class _Layer(CacheLayerMixin):
    """Keys and values of one layer, with room that doubles when it is used up."""

    is_sliding = False

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make room for the first tokens."""
        self.keys, self.values = (one.new_zeros(*one.shape[:2], 0, one.shape[3]) for one in (key_states, value_states))
        self.is_initialized = True

    def update(
        self,
        key_states: Float[Tensor, "rows heads tokens width"],
        value_states: Float[Tensor, "rows heads tokens width"],
        *_: Any,
        **__: Any,
    ) -> tuple[Tensor, Tensor]:
        """Write the next tokens of each row and return all columns in use."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        tokens, used = key_states.shape[2], self.kept.longest + key_states.shape[2]
        self._make_room(used)
        lengths = self.kept.lengths
        for stored, new in ((self.keys, key_states), (self.values, value_states)):
            assert stored is not None
            if used - tokens == int(lengths.min()):
                stored[:, :, used - tokens : used] = new
            else:
                rows = torch.arange(len(new), device=new.device).unsqueeze(1)
                stored[rows, :, self.kept.positions(tokens)] = new.transpose(1, 2)
        assert self.keys is not None and self.values is not None
        return self.keys[:, :, :used], self.values[:, :, :used]

    def select(self, rows: Tensor, longest: int) -> None:
        """Keep these rows."""
        if self.keys is not None and self.values is not None:
            room = self.keys.shape[2]
            self.keys, self.values = (_rows(one, rows, longest, room) for one in (self.keys, self.values))

    def fork(self, kept: Kept) -> _Layer:
        """Return a layer of other rows with the same tensors."""
        found = _Layer(kept)
        found.keys, found.values, found.is_initialized = self.keys, self.values, self.is_initialized
        return found

    def _make_room(self, columns: int) -> None:
        assert self.keys is not None and self.values is not None
        room = self.keys.shape[2]
        if columns > room:
            room = max(columns, 2 * room)
            self.keys, self.values = (_wider(one, room) for one in (self.keys, self.values))

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns that a mask has and where it begins."""
        return self.kept.longest + query_length, 0

    def get_seq_length(self) -> int:
        """Return the greatest length."""
        return self.kept.longest

    def get_max_length(self) -> int:
        """Return that there is no limit."""
        return -1


def _rows(stored: Tensor, rows: Tensor, longest: int, room: int) -> Tensor:
    found = stored.new_zeros(len(rows), stored.shape[1], room, stored.shape[3])  # masked, but never infinite or NaN
    found[:, :, :longest] = stored[:, :, :longest].index_select(0, rows)
    return found


def _wider(stored: Tensor, room: int) -> Tensor:
    found = stored.new_zeros(*stored.shape[:2], room, stored.shape[3])
    found[:, :, : stored.shape[2]] = stored
    return found
