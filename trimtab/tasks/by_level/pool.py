"""Easy items teach, hard ones are tested: the rules of `trimtab.tasks.splits`, on either side of a level.

    easy: the kept items, and those from which a seed draws its supervisor split
    hard: the test items, and those from which a seed draws its transfer split

Groups, near duplicates and class shares are as ever, across the two sides as well: what is related to a test item or to
a kept one is trained on by nobody, and what is related to a supervisor item is not in the transfer split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from trimtab.errors import TaskError
from trimtab.tasks.allocate import class_counts, generator, take
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.by_level.sides import is_hard, levels_of
from trimtab.tasks.make_pool import make_pool
from trimtab.tasks.membership import Pool
from trimtab.tasks.related import Candidates, deduplicated, leaving
from trimtab.tasks.shortage import check_every_class, check_trainable, sizes_missing, too_few
from trimtab.types import Array, Items


@dataclass(frozen=True)
class LevelPool(Pool):
    """What all seeds share: the test items, the kept easy items, and those from which each seed draws."""

    kept: tuple[str, ...] = field(kw_only=True)
    """Ids of the easy items on which every model is tested too, sorted."""
    kept_related: tuple[int, ...] = field(kw_only=True)
    """Equal numbers are resampled together, as in `test_related`."""
    train_hard: tuple[bool, ...] = field(kw_only=True)
    """Whether each item of `train` is hard."""


def fix_levels(items: Items, settings: ByLevel) -> LevelPool:
    """Return the test split, the kept easy items and the pool, which no seed changes.

    Raises TaskError where the items have no levels, all lie on one side, have splits of their own, or are too few.
    """
    levels = dict(zip(items.ids, levels_of(items, settings.by).tolist(), strict=True))
    found, dropped = deduplicated(items)
    check_every_class(found)
    if found.own is not None:
        raise TaskError(
            "The data set names its own splits, which a split by level would undo. Leave out the task's `split` "
            "column, or `split.by`."
        )
    hard = is_hard(np.array([levels[one] for one in found.ids], np.int64), settings)
    test_size, kept_size, side_size = _sizes(settings, found)
    test = _held_out(found, settings, "test", test_size, np.flatnonzero(hard).tolist(), dropped)
    tested = set(found.related[test].tolist())
    apart = [place for place in np.flatnonzero(~hard).tolist() if found.related[place] not in tested]
    kept = _held_out(found, settings, "kept", kept_size, apart, dropped)
    held = {*test, *kept}
    left = leaving(found, [*test, *kept], [place for place in range(len(found.ids)) if place not in held], dropped)
    train = sorted(
        place
        for name, side in (("easy", ~hard), ("hard", hard))
        for place in _side(found, settings, name, [one for one in left if side[one]], side_size, dropped)
    )
    pool = make_pool(found, dropped, test, train, unused=len(left) - len(train))
    return LevelPool(
        **vars(pool),
        kept=tuple(found.ids[place] for place in kept),
        kept_related=tuple(found.related[kept].tolist()),
        train_hard=tuple(hard[train].tolist()),
    )


def draw_levels(pool: LevelPool, settings: ByLevel, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the ids of one seed's splits: supervisor (easy), transfer and test (hard), kept (easy).

    Raises TaskError where the pool, or what groups leave of it, is too small, or a training split lacks a class.
    """
    if settings.supervisor is None or settings.transfer is None:
        raise sizes_missing(settings, ("supervisor", "transfer"), len(pool.train))
    random = generator(settings.split_seed, "draw", seed)
    hard: Bool[Array, "items"] = np.array(pool.train_hard, bool)
    gold, related = np.array(pool.train_gold), np.array(pool.train_related)
    easy, others = np.flatnonzero(~hard).tolist(), np.flatnonzero(hard).tolist()
    _check_enough("supervisor", "easy", seed, len(easy), settings.supervisor)
    supervisor = take(random, easy, gold, related, settings.supervisor, len(pool.classes))
    claimed = set(related[supervisor].tolist())
    free = [place for place in others if related[place] not in claimed]
    _check_enough("transfer", "hard", seed, len(free), settings.transfer)
    transfer = take(random, free, gold, related, settings.transfer, len(pool.classes))
    for name, members in (("supervisor", supervisor), ("transfer", transfer)):
        check_trainable(name, pool.classes, class_counts(gold, members, len(pool.classes)))
    return {
        "supervisor": tuple(pool.train[place] for place in supervisor),
        "transfer": tuple(pool.train[place] for place in transfer),
        "test": pool.test,
        "kept": pool.kept,
    }


def _held_out(
    found: Candidates, settings: ByLevel, name: str, size: int, members: list[int], dropped: Counter[str]
) -> list[int]:
    """Return items that no seed trains on; of near duplicates one at most."""
    first_of: dict[int, int] = {}
    firsts = [place for place in members if first_of.setdefault(int(found.near[place]), place) == place]
    if len(firsts) < size:
        what = "the test split, which is hard" if name == "test" else "the easy items of a second test (split.kept)"
        raise too_few(what, len(firsts), size, found, dropped)
    return take(generator(settings.split_seed, name), firsts, found.gold, found.related, size, len(found.classes))


def _side(
    found: Candidates, settings: ByLevel, name: str, left: list[int], size: int | None, dropped: Counter[str]
) -> list[int]:
    """Return the easy or the hard items that seeds draw from; all of them where no size is asked for."""
    wanted = max(size or 0, (settings.supervisor if name == "easy" else settings.transfer) or 1)
    if len(left) < wanted:
        raise too_few(f"the {name} items that are trained on", len(left), wanted, found, dropped)
    random = generator(settings.split_seed, "pool", name)
    return take(random, left, found.gold, found.related, len(left) if size is None else size, len(found.classes))


def _sizes(settings: ByLevel, found: Candidates) -> tuple[int, int, int | None]:
    """Return how many test items, kept items, and items of either side to draw from are asked for."""
    given = settings.supervisor, settings.transfer
    if settings.test is None or settings.held is None or (settings.pool is None and None in given):
        raise sizes_missing(settings, ("supervisor", "transfer", "test"), len(found.ids))
    if settings.pool is not None:
        return settings.test, settings.held, (settings.pool - settings.test - settings.held) // 2
    return settings.test, settings.held, None if found.grouped else settings.supervisor


def _check_enough(split: str, side: str, seed: int, found: int, wanted: int) -> None:
    if found < wanted:
        raise TaskError(
            f"Too few items for the {split} split of seed {seed}: found {found} {side} ones in the pool that are "
            f"related to no item of another split, wanted {wanted}. Make supervisor and transfer smaller, or "
            "split.pool larger."
        )
