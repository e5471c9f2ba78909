"""Exact and near duplicates of a data set that does not fit in memory, by the rules of `trimtab.tasks.duplicates`.

What could be equal meets in a bucket on disk: normalised texts for exact copies, 8-grams for near ones. In memory are
one byte a row, one bucket, and the texts that share a gram with another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8, UInt64

from trimtab.errors import TaskError
from trimtab.tasks.duplicates import grams_of, near_sets, normal_form
from trimtab.tasks.streamed.batch import Batch
from trimtab.tasks.streamed.buckets import Buckets
from trimtab.tasks.streamed.keys import keys_of
from trimtab.types import Array

Batches = Callable[[], Iterator[Batch]]
KEYS = "keys"
"""File of every row's key, 8 bytes each."""
KEPT, DUPLICATE, CONFLICT = 0, 1, 2
_GRAMS_A_TEXT = 20
_TEXT = [("text", np.uint64), ("id", np.uint64), ("row", np.uint32), ("gold", np.int16)]
_ID = [("id", np.uint64), ("row", np.uint32)]
_GRAM = [("gram", np.uint64), ("row", np.uint32)]


@dataclass(frozen=True)
class Found:
    """Which rows are copies of others."""

    state: UInt8[Array, "rows"]
    """KEPT, DUPLICATE or CONFLICT."""
    near: dict[int, int]
    """Near duplicates: row to the first row of its set, itself included; rows without one are absent."""
    dropped: Counter[str]

    @cached_property
    def later(self) -> Int[Array, "rows"]:
        """Near duplicates of an earlier row, in order."""
        return np.array(sorted(row for row, first in self.near.items() if row != first), np.int64)

    def kept(self, batch: Batch) -> Bool[Array, "items"]:
        """Say which rows of a batch are no exact copies."""
        return self.state[batch.first : batch.first + len(batch.ids)] == KEPT


def find_duplicates(batches: Batches, rows: int, work: Path, own_ids: str | None = None, source: str = "") -> Found:
    """Return the exact and near duplicates of all rows; leave the rows' keys in the file `KEYS` of `work`.

    `own_ids` names the column of ids that the data set itself gives, `source` is what messages call it.
    Raises TaskError where an id is there twice.
    """
    state = np.zeros(rows, np.uint8)
    dropped: Counter[str] = Counter(duplicate=0, conflict=0, near_duplicate=0, group=0)
    texts, ids = Buckets(work / "texts", _TEXT, rows), Buckets(work / "ids", _ID, rows if own_ids else 0)
    with (work / KEYS).open("wb") as keys:
        for batch in batches():
            hashes, names = keys_of(map(normal_form, batch.texts)), keys_of(batch.ids)
            numbers = _numbers(batch)
            texts.add(hashes, hashes, names, numbers, batch.gold)
            if own_ids:
                ids.add(names, names, numbers)
            keys.write(batch.keys.tobytes())
    for records in ids.read():
        _check_ids(records, f'{source}, column "{own_ids}"')
    for records in texts.read():
        _mark(records, state, dropped)
    found = Found(state, {}, dropped)
    found.near.update(_near(batches, found, work))
    return found


def _numbers(batch: Batch) -> Int[Array, "items"]:
    return np.arange(batch.first, batch.first + len(batch.ids))


def _check_ids(records: Array, place: str) -> None:
    ids, count = np.unique(records["id"], return_counts=True)
    twice = ids[count > 1]
    if len(twice):
        one, other = (np.sort(records["row"][records["id"] == twice[0]])[:2] + 1).tolist()
        raise TaskError(f"{place}: rows {one:,} and {other:,} have the same id; wanted a different id in every row.")


def _mark(records: Array, state: UInt8[Array, "rows"], dropped: Counter[str]) -> None:
    """Of texts that are the same keep the one whose id has the smallest hash; where their classes differ, none."""
    records = records[np.lexsort((records["row"], records["id"], records["text"]))]
    starts = np.flatnonzero(np.diff(records["text"], prepend=~records["text"][:1]))
    lengths = np.diff(starts, append=len(records))
    for start, length in zip(starts[lengths > 1].tolist(), lengths[lengths > 1].tolist(), strict=True):
        same = records[start : start + length]
        if (same["gold"] != same["gold"][0]).any():
            state[same["row"]] = CONFLICT
            dropped["conflict"] += length
        else:
            state[same["row"][1:]] = DUPLICATE
            dropped["duplicate"] += length - 1


def _near(batches: Batches, found: Found, work: Path) -> dict[int, int]:
    """Return the near duplicates among the rows that are kept."""
    grams = Buckets(work / "grams", _GRAM, len(found.state) * _GRAMS_A_TEXT)
    with (work / "sizes").open("wb") as sizes:
        for batch in batches():
            rows = np.flatnonzero(found.kept(batch))
            owner, gram = grams_of([batch.texts[i] for i in rows.tolist()])
            grams.add(gram, gram, batch.first + rows[owner])
            counted = np.zeros(len(batch.ids), np.uint32)
            counted[rows] = np.bincount(owner, minlength=len(rows))
            sizes.write(counted.tobytes())
    shared = [_shared(records) for records in grams.read()]
    row, gram, frequency = (
        (np.concatenate(columns) for columns in zip(*shared, strict=True)) if shared else (np.zeros(0, int),) * 3
    )
    if not len(row):
        return {}
    rows, owner = np.unique(row, return_inverse=True)
    counted = np.memmap(work / "sizes", np.uint32, "r")[rows]
    roots = near_sets(counted.astype(np.int64), owner, gram, frequency)
    sets = np.bincount(roots, minlength=len(rows))[roots]
    return {int(rows[i]): int(rows[roots[i]]) for i in np.flatnonzero(sets > 1).tolist()}


def _shared(
    records: Array,
) -> tuple[Int[Array, "grams"], UInt64[Array, "grams"], Int[Array, "grams"]]:
    """Return row, gram and frequency of the grams of a bucket that several texts have."""
    _, inverse, counts = np.unique(records["gram"], return_inverse=True, return_counts=True)
    frequency = counts[inverse]
    several = frequency > 1
    return records["row"][several], records["gram"][several], frequency[several]
