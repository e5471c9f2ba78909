"""Who is tested and who is trained on: three disjoint splits, the same for every model.

Two steps. `fix_pool` does not know the seed: it removes duplicates, chooses the test items and the pool.
`draw` divides the pool between the supervisor and the transfer split, anew for every seed.

- Items that share a group or a template, and near duplicates of each other, never straddle two splits.
- Exact duplicates leave one item; where their gold differs, none ("conflict"). Of near duplicates the test
  split has one.
- What is related to a test item and not itself in the test split is trained on by nobody, and counted.
- Each split has the class shares of what it is chosen from, within one item (largest remainders).
- The order of the rows changes nothing: items are put in the order of their ids first.

A data set with its own split column keeps it: "test" is the test split; "supervisor" and "transfer" are the
other two, the same for all seeds, or "train" is the pool that every seed divides. Leaks between its splits
are removed all the same, from the side that trains.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from trimtab.errors import TaskError
from trimtab.tasks.allocate import class_counts, generator, take
from trimtab.tasks.make_pool import make_pool
from trimtab.tasks.membership import Membership, Pool, SplitSettings
from trimtab.tasks.own_splits import keep_own
from trimtab.tasks.related import Candidates, deduplicated, leaving
from trimtab.tasks.shortage import check_every_class, check_trainable, sizes_missing, too_few
from trimtab.types import Items

__all__ = ["Membership", "Pool", "SplitSettings", "draw", "fix_pool"]


def fix_pool(items: Items, settings: SplitSettings) -> Pool:
    """Return the test split and the pool, which no seed changes.

    Raises TaskError where there are too few items for the sizes asked for, or a class has none.
    """
    found, dropped = deduplicated(items)
    check_every_class(found)
    return _choose(found, dropped, settings) if found.own is None else keep_own(found, dropped, settings)


def draw(pool: Pool, settings: SplitSettings, seed: int) -> Membership:
    """Return the splits of one seed: two drawn from the pool, and the test split as it is.

    Raises TaskError where groups leave too few items for the transfer split, or a training split lacks a
    class."""
    if pool.supervisor is not None and pool.transfer is not None:
        return Membership(pool.supervisor, pool.transfer, pool.test)
    if settings.supervisor is None or settings.transfer is None:
        raise sizes_missing(settings, ("supervisor", "transfer"), len(pool.train))
    random = generator(settings.split_seed, "draw", seed)
    gold, related = np.array(pool.train_gold), np.array(pool.train_related)
    everyone, classes = list(range(len(pool.train))), len(pool.classes)
    supervisor = take(random, everyone, gold, related, settings.supervisor, classes)
    claimed = set(related[supervisor].tolist())
    rest = [member for member in everyone if related[member] not in claimed]
    if len(rest) < settings.transfer:
        raise TaskError(
            f"Too few items for the transfer split of seed {seed}: found {len(rest)}, wanted "
            f"{settings.transfer}. Of the {len(everyone)} items of the pool, {len(supervisor)} are in the "
            f"supervisor split and {len(everyone) - len(supervisor) - len(rest)} are related to one of "
            "these (group, template, near duplicate). Make supervisor or transfer smaller, or split.pool "
            f"larger ({pool.unused} usable items are outside it)."
        )
    transfer = take(random, rest, gold, related, settings.transfer, classes)
    for name, members in (("supervisor", supervisor), ("transfer", transfer)):
        check_trainable(name, pool.classes, class_counts(gold, members, classes))
    return Membership(
        tuple(pool.train[member] for member in supervisor),
        tuple(pool.train[member] for member in transfer),
        pool.test,
    )


def _choose(found: Candidates, dropped: Counter[str], settings: SplitSettings) -> Pool:
    test_size, asked = _sizes(settings, len(found.ids))
    everyone, classes = list(range(len(found.ids))), len(found.classes)
    if len(everyone) < asked:
        raise too_few("the splits", len(everyone), asked, found, dropped)
    # of near duplicates only the first may be a test item, so that test items are independent
    firsts = [place for place in everyone if found.near[place] == place]
    if len(firsts) < test_size:
        raise too_few("the test split", len(firsts), test_size, found, dropped)
    random = generator(settings.split_seed, "test")
    test = take(random, firsts, found.gold, found.related, test_size, classes)
    tested = set(test)
    left = leaving(found, test, [place for place in everyone if place not in tested], dropped)
    size = settings.pool - len(test) if settings.pool else len(left) if found.grouped else asked - len(test)
    if len(left) < max(size, asked - len(test)):
        raise too_few("the pool beside the test split", len(left), max(size, asked - len(test)), found, dropped)
    random = generator(settings.split_seed, "pool")
    train = take(random, left, found.gold, found.related, size, classes)
    return make_pool(found, dropped, test, train, unused=len(left) - len(train))


def _sizes(settings: SplitSettings, usable: int) -> tuple[int, int]:
    """Return how many test items and how many items in all are asked for."""
    given = settings.supervisor, settings.transfer
    if settings.test is None or (settings.pool is None and None in given):
        raise sizes_missing(settings, ("supervisor", "transfer", "test"), usable)
    return settings.test, settings.pool or settings.test + sum(size or 0 for size in given)
