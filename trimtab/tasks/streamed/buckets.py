"""Records on disk, divided by a hash: what has the same hash meets in one bucket, and one bucket fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt64

from trimtab.types import Array

RECORDS = 50_000
"""About how many records a bucket is meant to hold."""
_MOST = 1024


class Buckets:
    """Files of fixed-size records; written once, then read bucket by bucket."""

    def __init__(self, folder: Path, dtype: Any, expected: int) -> None:
        """Divide about `expected` records of a numpy structure among files in an empty folder."""
        self._folder, self._dtype = folder, np.dtype(dtype)
        self._count = min(_MOST, max(1, -(-expected // RECORDS)))
        folder.mkdir(parents=True, exist_ok=True)
        for stray in folder.iterdir():  # of a run that was killed
            stray.unlink()

    def add(self, hashes: UInt64[Array, "records"], *columns: Array) -> None:
        """Append records, given column by column in the order of the structure."""
        if not len(hashes):
            return
        records = np.empty(len(hashes), self._dtype)
        for name, column in zip(self._dtype.names or (), columns, strict=True):
            records[name] = column
        bucket = ((hashes >> np.uint64(40)) * np.uint64(self._count)) >> np.uint64(24)
        order = np.argsort(bucket, kind="stable")
        present, starts = np.unique(bucket[order], return_index=True)
        for number, together in zip(present, np.split(records[order], starts[1:]), strict=True):
            with self._path(int(number)).open("ab") as handle:
                handle.write(together.tobytes())

    def read(self) -> Iterator[Any]:
        """Yield each bucket's records as one structured array and remove its file."""
        for number in range(self._count):
            path = self._path(number)
            if path.is_file():
                yield np.fromfile(path, self._dtype)
                path.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}"
