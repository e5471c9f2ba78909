"""Splits that a data set brings along: kept as they are, except for what leaks between them."""

from __future__ import annotations

from collections import Counter

from trimtab.errors import TaskError, did_you_mean
from trimtab.tasks.allocate import class_counts, generator, take
from trimtab.tasks.make_pool import make_pool
from trimtab.tasks.membership import Pool, SplitSettings
from trimtab.tasks.related import TEST_FIRST, Candidates, leaving
from trimtab.tasks.shortage import check_trainable, too_few

FIXED = {"supervisor", "transfer", "test"}
DRAWN = {"train", "test"}


def check_own_names(names: set[str]) -> None:
    """Raise TaskError unless the names are supervisor, transfer and test, or train and test."""
    for name in sorted(names):
        if name not in TEST_FIRST:
            raise TaskError(f'"{name}" is not a split.{did_you_mean(name, TEST_FIRST)}')
    if names not in (FIXED, DRAWN):
        raise TaskError(
            f"The data set's own splits are {', '.join(sorted(names))}; wanted all three of supervisor, "
            "transfer and test, or train and test (train is then divided anew for every seed)."
        )


def keep_own(found: Candidates, dropped: Counter[str], settings: SplitSettings) -> Pool:
    """Return the data set's own splits without the leaks; a size that is given takes a part of a split.

    What is related to a test item leaves the training splits; what is related to a supervisor item leaves the
    transfer split, because the supervisor would label what it was trained on.
    """
    assert found.own is not None
    check_own_names(set(found.own))
    sides = {name: [place for place, own in enumerate(found.own) if own == name] for name in TEST_FIRST}
    all_test = sides["test"]
    test = _one_of_each_near(found, all_test, dropped)
    test_kept = _part(found, dropped, settings, "test", test)
    if sides["train"]:
        usable = leaving(found, all_test, sides["train"], dropped)
        train = _part_of_pool(found, dropped, settings, usable, len(test_kept))
        return make_pool(found, dropped, test_kept, train, unused=len(usable) - len(train) + len(test) - len(test_kept))
    if settings.pool is not None:
        raise TaskError(
            f"split.pool is {settings.pool}, but the data set names its own supervisor and transfer split, "
            "so that there is no pool to draw from. Leave split.pool out."
        )
    supervisor = leaving(found, all_test, sides["supervisor"], dropped)
    transfer = leaving(found, supervisor, leaving(found, all_test, sides["transfer"], dropped), dropped)
    parts = {
        name: _part(found, dropped, settings, name, members)
        for name, members in (("supervisor", supervisor), ("transfer", transfer))
    }
    for name, members in parts.items():
        check_trainable(name, found.classes, class_counts(found.gold, members, len(found.classes)))
    train = sorted(parts["supervisor"] + parts["transfer"])
    unused = len(supervisor) + len(transfer) - len(train) + len(test) - len(test_kept)
    return make_pool(found, dropped, test_kept, train, unused, parts)


def _one_of_each_near(found: Candidates, members: list[int], dropped: Counter[str]) -> list[int]:
    first: dict[int, int] = {}
    for member in members:
        first.setdefault(int(found.near[member]), member)
    dropped["near_duplicate"] += len(members) - len(first)
    return sorted(first.values())


def _part(
    found: Candidates, dropped: Counter[str], settings: SplitSettings, name: str, members: list[int]
) -> list[int]:
    size = vars(settings)[name]
    if size is None:
        size = len(members)
    if size > len(members) or not members:
        raise too_few(
            f"the {name} split, which the data set's own column names",
            len(members),
            max(size, 1),
            found,
            dropped,
        )
    random = generator(settings.split_seed, "own", name)
    return take(random, members, found.gold, found.related, size, len(found.classes))


def _part_of_pool(
    found: Candidates, dropped: Counter[str], settings: SplitSettings, usable: list[int], tested: int
) -> list[int]:
    wanted = (settings.supervisor or 1) + (settings.transfer or 1)
    size = len(usable) if settings.pool is None else settings.pool - tested
    if size < wanted <= len(usable):
        raise TaskError(
            f"split.pool is {settings.pool}, which with {tested} test items leaves {size} to draw from; "
            f"wanted {wanted} for supervisor and transfer split. Make split.pool at least {wanted + tested}."
        )
    if len(usable) < max(size, wanted):
        raise too_few(
            "the pool, which the data set's own column names train",
            len(usable),
            max(size, wanted),
            found,
            dropped,
        )
    random = generator(settings.split_seed, "own", "train")
    return take(random, usable, found.gold, found.related, size, len(found.classes))
