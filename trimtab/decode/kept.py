"""Keys and values of many texts of different lengths, in place, row by row.

Row b holds its own text from column 0 on, so that a token's column is its position and no row knows of another's
length: what is beyond a row's length is rubbish that no mask lets through. New tokens are written where the row
ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_COLUMNS = 32
"""Room grows by so many columns: what is copied then is little beside what attention reads for as many tokens."""


class Kept(Cache):
    """The keys and values of all layers. `lengths` says how many tokens each row holds."""

    def __init__(self, rows: int, layers: int, device: torch.device) -> None:
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self.positions = self.lengths.unsqueeze(1)
        """Where the tokens go that are run now, by row and token."""
        self.used = 0
        """Columns in use, those tokens included."""
        self.level = True
        """Whether those tokens go to the same columns in all rows."""
        super().__init__(layers=[_Layer(self) for _ in range(layers)])

    @property
    def longest(self) -> int:
        """The greatest number of tokens that a row holds."""
        return int(self.lengths.max()) if len(self.lengths) else 0

    def expect(self, tokens: int) -> Bool[Tensor, "rows 1 tokens columns"]:
        """Find, once for all layers, where the next tokens of each row go.

        Return which columns each of them may see: all up to itself.
        """
        self.positions = self.lengths.unsqueeze(1) + torch.arange(tokens, device=self.lengths.device)
        longest = self.longest
        self.used, self.level = longest + tokens, longest == int(self.lengths.min())
        columns = torch.arange(self.used, device=self.lengths.device)
        return (columns <= self.positions.unsqueeze(-1)).unsqueeze(1)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may be taken more than once.

        Where rows that stay keep their places and others come from beyond the new end, only those others are copied.
        """
        moved = [place for place, row in enumerate(rows) if row != place]
        taken = self._tensor(rows)
        if all(rows[place] >= len(rows) for place in moved):
            places = self._tensor(moved)
            for layer in self._layers:
                layer.fill(places, taken[places], len(rows))
        else:
            for layer in self._layers:
                layer.select(taken)
        self.lengths = self.lengths[taken]

    def fork(self, rows: Sequence[int]) -> Kept:
        """Return a copy of these rows."""
        taken = self._tensor(rows)
        found = Kept(0, 0, self.lengths.device)
        found.lengths = self.lengths[taken]
        found.layers = [layer.fork(found, taken) for layer in self._layers]
        return found

    def crop(self, lengths: Int[Tensor, "rows"]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Forget what is beyond these lengths."""
        self.lengths = torch.minimum(self.lengths, lengths)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the greatest length; transformers asks for it, positions are always given."""
        return self.longest

    @property
    def _layers(self) -> list[_Layer]:
        return self.layers  # pyright: ignore[reportReturnType]

    def _tensor(self, rows: Sequence[int]) -> Int[Tensor, "rows"]:
        return torch.tensor(list(rows), dtype=torch.long, device=self.lengths.device)


class _Layer(CacheLayerMixin):
    """Keys and values of one layer, with some columns of room."""

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
        """Write the expected tokens of each row and return all columns in use."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        kept, used = self.kept, self.kept.used
        assert self.keys is not None and self.values is not None
        self.keys, self.values = _with_room(self.keys, used), _with_room(self.values, used)
        for stored, new in ((self.keys, key_states), (self.values, value_states)):
            if kept.level:
                stored[:, :, used - new.shape[2] : used] = new
            else:
                rows = torch.arange(len(new), device=new.device).unsqueeze(1)
                stored[rows, :, kept.positions] = new.transpose(1, 2)
        return self.keys[:, :, :used], self.values[:, :, :used]

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in new memory."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)

    def fill(self, places: Tensor, rows: Tensor, count: int) -> None:
        """Put these rows in these places, in the same memory, and end after so many."""
        if self.keys is not None and self.values is not None:
            for stored in (self.keys, self.values):
                stored[places] = stored[rows]
            self.keys, self.values = self.keys[:count], self.values[:count]

    def fork(self, kept: Kept, rows: Tensor) -> _Layer:
        """Return a copy of these rows."""
        found = _Layer(kept)
        found.keys, found.values, found.is_initialized = self.keys, self.values, self.is_initialized
        found.select(rows)
        return found

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns that a mask has and where it begins."""
        return self.kept.longest + query_length, 0

    def get_seq_length(self) -> int:
        """Return the greatest length."""
        return self.kept.longest

    def get_max_length(self) -> int:
        """Return that there is no limit."""
        return -1


def _with_room(stored: Tensor, columns: int) -> Tensor:
    """Return what is stored, with at least so many columns; new ones are zeros: masked, but never infinite or NaN."""
    if columns <= stored.shape[2]:
        return stored
    return torch.nn.functional.pad(stored, (0, 0, 0, -(-columns // _COLUMNS) * _COLUMNS - stored.shape[2]))
