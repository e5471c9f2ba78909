"""A second goal and its items: a fourth split, which nobody is tested on and which the first goal never trains on.

Either the data set sets the items apart itself (its own split "second"), or every seed draws them from what its
supervisor and transfer split leave of the pool. Both ways the rule of groups holds: nothing in it is related to an item
of the other three splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trimtab.errors import TaskError
from trimtab.tasks.allocate import generator, take
from trimtab.tasks.membership import Pool
from trimtab.tasks.related import deduplicated, leaving
from trimtab.types import PER_ITEM, Items

SECOND = "second"
"""Name of the split and of the role of its items."""


@dataclass(frozen=True)
class Apart:
    """The items that a data set sets apart for its second goal."""

    ids: tuple[str, ...] = ()
    related: tuple[int, ...] = ()
    """Equal numbers belong together; none is the number of an item of the pool or the test split."""
    dropped: Mapping[str, int] | None = None
    """Items left out and why, as in a pool; none where the data set sets nothing apart."""


def of_first_goal(items: Items) -> Items:
    """Return the items without those that the data set sets apart for its second goal."""
    if items.splits is None or SECOND not in items.splits:
        return items
    first = _only(items, [i for i, split in enumerate(items.splits) if split != SECOND])
    # names of splits that are all empty: the others are drawn
    return first if any(first.splits or ()) else replace(first, splits=None)


def set_apart(items: Items, pool: Pool) -> Apart:
    """Return the items that the data set sets apart, less what is related to an item of the pool or the test split.

    Raises TaskError where one of them has no truth of the second goal.
    """
    if items.splits is None or SECOND not in items.splits:
        return Apart()
    own = _only(items, [i for i, split in enumerate(items.splits) if split == SECOND])
    if own.second_gold is None or own.second_gold.min() < 0:
        raise TaskError('An item of the split "second" has no ground truth of the second goal; give Items.second_gold.')
    distinct, dropped = deduplicated(replace(own, gold=own.second_gold, splits=None))
    used, kept = {*pool.test, *pool.train}, set(distinct.ids)
    both = _only(items, [i for i, name in enumerate(items.ids) if name in used or name in kept])
    # one class for all: copies of a text in both goals are one text, whatever each goal says of it
    sides = tuple("test" if name in used else "train" for name in both.ids)
    found, lost = deduplicated(replace(both, gold=np.zeros(len(both.ids), np.int64), splits=sides))
    assert found.own is not None
    protected, members = ([i for i, own in enumerate(found.own) if own == side] for side in ("test", "train"))
    stay = leaving(found, protected, members, lost)
    above = 1 + max((*pool.test_related, *pool.train_related), default=-1)
    return Apart(
        tuple(found.ids[i] for i in stay),
        tuple(above + int(found.related[i]) for i in stay),
        dict(Counter(dropped) + Counter(lost)),
    )


def draw_second(pool: Pool, taken: Sequence[str], size: int, split_seed: int, seed: int) -> tuple[str, ...]:
    """Return the sorted ids of one seed's second split, drawn from what the splits that are `taken` leave of the pool.

    Raises TaskError where too few items are left.
    """
    gold, related = np.array(pool.train_gold), np.array(pool.train_related)
    used = set(taken)
    claimed = {number for name, number in zip(pool.train, pool.train_related, strict=True) if name in used}
    rest = [place for place in range(len(pool.train)) if pool.train_related[place] not in claimed]
    if len(rest) < size:
        raise TaskError(
            f"Too few items for the second split of seed {seed}: found {len(rest)}, wanted {size}. It is drawn from "
            f"what supervisor and transfer split leave of the {len(pool.train)} items of the pool. Make split.pool "
            f"larger by {size - len(rest)} or more ({pool.unused} usable items are outside it), or a split smaller."
        )
    chosen = take(generator(split_seed, SECOND, seed), rest, gold, related, size, len(pool.classes))
    return tuple(pool.train[place] for place in chosen)


def part_of_own(ids: Sequence[str], size: int, split_seed: int) -> tuple[str, ...]:
    """Return the sorted ids of `size` of the items that the data set sets apart, the same for all seeds.

    Raises TaskError where it sets fewer apart.
    """
    if len(ids) < size:
        raise TaskError(
            f"Too few items for the second split: the data set has {len(ids)} of its own, wanted {size}. Make "
            "task.second smaller, or add items of the second goal."
        )
    chosen = generator(split_seed, "own", SECOND).permutation(len(ids))[:size]
    return tuple(sorted(ids[int(place)] for place in chosen))


def _only(items: Items, rows: Sequence[int]) -> Items:
    """Return some of the items."""

    def part(values: Any) -> Any:
        if values is None or isinstance(values, np.ndarray):
            return None if values is None else values[list(rows)]
        return tuple(values[i] for i in rows)

    slices = {name: np.asarray(values)[list(rows)] for name, values in items.slices.items()}
    return replace(items, slices=slices, **{name: part(getattr(items, name)) for name in PER_ITEM})
