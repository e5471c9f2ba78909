"""What one fit reads, gathered once into a file without a name: each of its many passes then reads nothing else.

The items of a fit lie scattered over shards of all items, beside what other fits read, and their labels in compressed
tables. Here they lie one behind the other: 4 bytes an activation, 8 a class and 8 for the weight. The file is read and
never mapped, so that no page of it counts as memory of the process, and is gone with the process, however that ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from trimtab.fit.streamed import Chunk
from trimtab.types import Array


class Gathered:
    """Chunks on disk; a call makes them anew, as `fit_streamed` wants them."""

    def __init__(self, handle: IO[bytes]) -> None:
        """Write to an empty file; `gathering` makes one."""
        self._handle = handle
        self._places: list[tuple[int, int, int, int]] = []
        """Where a chunk begins in the file, and how many items, activations and classes it has."""
        self.items = 0
        """Items so far."""

    def add(self, chunk: Chunk) -> None:
        """Append some items, those of weight 0 left out."""
        kept = chunk.weights > 0
        values, labels, weights = chunk.values[kept], chunk.labels[kept], chunk.weights[kept]
        if not len(weights):
            return
        self._places.append((self._handle.tell(), *values.shape, labels.shape[1]))
        for column, dtype in ((values, np.float32), (labels, np.float64), (weights, np.float64)):
            self._handle.write(np.ascontiguousarray(column, dtype).data)
        self.items += len(weights)

    def __call__(self) -> Iterator[Chunk]:
        """Yield the items from the first, in the chunks in which they came."""
        for place, items, hidden, classes in self._places:
            self._handle.seek(place)
            yield Chunk(
                self._read((items, hidden), np.float32),
                self._read((items, classes), np.float64),
                self._read((items,), np.float64),
            )

    def _read(self, shape: tuple[int, ...], dtype: Any) -> Array:
        found = np.empty(shape, dtype)
        if self._handle.readinto(found.data.cast("B")) != found.nbytes:  # pyright: ignore[reportAttributeAccessIssue]
            raise OSError("the file of gathered items ended too early; run again")
        return found


@contextmanager
def gathering(folder: Path) -> Iterator[Gathered]:
    """Open a nameless file on the disk of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as handle:
        yield Gathered(handle)
