"""What a model makes of every choice of every item: rows one after the other, and where each item's rows begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array


@dataclass(frozen=True)
class ChoiceFeatures:
    """Activations of ragged choices."""

    values: Float[Array, "rows hidden"]
    """float32, an item's choices next to each other in their order."""
    starts: Int[Array, "bounds"]
    """The choices of item i are the rows `starts[i]` to `starts[i + 1] - 1`; one entry more than there are items."""

    @property
    def counts(self) -> Int[Array, "items"]:
        """Number of choices of each item."""
        return np.diff(self.starts)

    def rows(self, items: Int[Array, "some"], count: int) -> Int[Array, "some count"]:
        """Return the rows of items that have `count` choices each."""
        return self.starts[items][:, None] + np.arange(count)

    def by_count(self, items: Int[Array, "some"]) -> Iterator[tuple[int, Int[Array, "alike"]]]:
        """Yield each number of choices that occurs, with the positions in `items` of those that have as many."""
        counts = self.counts[items]
        for count in np.unique(counts):
            yield int(count), np.flatnonzero(counts == count)

    def centred(self, items: Int[Array, "some"], count: int) -> Float[Array, "some count hidden"]:
        """Return each choice's activations less the mean of its item's, float64."""
        found = self.values[self.rows(items, count)].astype(np.float64)
        return found - found.mean(1, keepdims=True)
