"""Who is tested, who is in the pool, and who is left out, of a data set that does not fit in memory.

    u_i = random number of the item's key          key = group, or the item itself; near duplicates share one
    test = the smallest u, then the pool           a part in sizes, not in class shares, which fall as they fall

The numbers depend on keys alone: neither the order of the rows nor new rows change who comes before whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt64

from trimtab.errors import TaskError
from trimtab.tasks.membership import SplitSettings
from trimtab.tasks.shortage import sizes_missing
from trimtab.tasks.streamed.batch import PART, Batch
from trimtab.tasks.streamed.duplicates import Found
from trimtab.tasks.streamed.keys import mixed
from trimtab.tasks.streamed.thresholds import below, bound_of_smallest
from trimtab.types import Array

_FILLED = 0.9
"""Share of the size asked for that a split must reach."""


@dataclass(frozen=True)
class Roles:
    """The bounds of test split and pool."""

    found: Found
    settings: SplitSettings
    sames: dict[int, int]
    """Keys that near duplicates make one, to the key that stands for them."""
    test_bound: int | None
    pool_bound: int | None
    later: int
    """Near duplicates of test items that the test split leaves out."""

    def of(self, batch: Batch) -> tuple[UInt64[Array, "items"], Bool[Array, "items"], Bool[Array, "items"]]:
        """Return the keys of a batch, and which rows are test items and which are in the pool."""
        keys = _joined(batch.keys, self.sames)
        numbers = mixed(keys, "test", self.settings.split_seed)
        kept, low = self.found.kept(batch), below(numbers, self.test_bound)
        test = kept & low & _first(self.found, batch.first, len(keys))
        return keys, test, kept & ~low & below(numbers, self.pool_bound)


def choose_roles(found: Found, keys: Path, settings: SplitSettings, *, grouped: bool = False) -> Roles:
    """Return who is tested and who is in the pool; `keys` holds the keys of all rows.

    Without a size of the pool it is as large as the two splits that are drawn from it, and all of a `grouped` data set.

    Raises TaskError where there are too few rows for the sizes that are asked for.
    """
    given = settings.supervisor, settings.transfer
    usable = int((found.state == 0).sum())
    if settings.test is None or (settings.pool is None and None in given):
        raise sizes_missing(settings, ("supervisor", "transfer", "test"), usable)
    near_keys = _keys_of_rows(np.fromiter(found.near, np.int64), keys)
    sames = _sames(found, near_keys)

    def numbers(above: int | None = None) -> Iterator[UInt64[Array, "items"]]:
        for start, chunk in _chunks(keys):
            values = mixed(_joined(chunk, sames), "test", settings.split_seed)
            kept = found.state[start : start + len(chunk)] == 0
            kept &= _first(found, start, len(chunk)) if above is None else ~below(values, above)
            yield values[kept]

    test = bound_of_smallest(numbers, settings.test)
    pool = settings.pool - settings.test if settings.pool else sum(size or 0 for size in given)
    if test is None or sum(len(one) for one in numbers(test)) < pool:
        raise TaskError(
            f"Too few items: {len(found.state):,} rows were read and {usable:,} are left without copies; wanted "
            f"{settings.test:,} to test and {pool:,} others. Make supervisor, transfer, test or pool smaller."
        )
    check_filled("test", sum(int(below(one, test).sum()) for one in numbers()), settings.test)
    everybody = grouped and settings.pool is None
    pool_bound = None if everybody else bound_of_smallest(lambda: numbers(test), pool)
    later = [near_keys[row] for row, first in found.near.items() if row != first]
    out = below(mixed(_joined(np.array(later, np.uint64), sames), "test", settings.split_seed), test)
    return Roles(found, settings, sames, test, pool_bound, int(out.sum()))


def check_filled(split: str, items: int, wanted: int) -> None:
    """Raise TaskError where a split is much smaller than asked for, because whole sets of related items do not fit."""
    if items < _FILLED * wanted:
        raise TaskError(
            f"The {split} split would have {items:,} items, wanted {wanted:,}: related items (of one group, or near "
            "duplicates) are never parted, and the next set of them is too large for what is left. Make the split "
            "larger, or group by something finer."
        )


def _chunks(keys: Path) -> Iterator[tuple[int, UInt64[Array, "items"]]]:
    with keys.open("rb") as handle:
        start = 0
        while data := handle.read(8 * PART):
            yield start, np.frombuffer(data, np.uint64)
            start += len(data) // 8


def _first(found: Found, start: int, count: int) -> Bool[Array, "items"]:
    """Say which rows are not later near duplicates of another one: test items must be independent."""
    first = np.ones(count, bool)
    low, high = np.searchsorted(found.later, (start, start + count))
    first[found.later[low:high] - start] = False
    return first


def _keys_of_rows(rows: Int[Array, "items"], keys: Path) -> dict[int, int]:
    if not len(rows):
        return {}
    return dict(zip(rows.tolist(), np.memmap(keys, np.uint64, "r")[rows].tolist(), strict=True))


def _sames(found: Found, key_of_row: dict[int, int]) -> dict[int, int]:
    """Return the keys that near duplicates make one: to the smallest key of all that hang together."""
    parent: dict[int, int] = {}

    def root(key: int) -> int:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for row, first in found.near.items():
        low, high = sorted((root(key_of_row[row]), root(key_of_row[first])))
        parent[high] = low
    return {key: root(key) for key in parent if root(key) != key}


def _joined(keys: UInt64[Array, "items"], sames: dict[int, int]) -> UInt64[Array, "items"]:
    if not sames:
        return keys
    known = np.fromiter(sames, np.uint64)
    joined = keys.copy()
    for i in np.flatnonzero(np.isin(keys, known)).tolist():
        joined[i] = sames[int(keys[i])]
    return joined
