"""Splits: disjoint, grouped, stratified, without duplicates, and the same whatever the order of the rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import TaskError
from trimtab.tasks.allocate import largest_remainder
from trimtab.tasks.splits import SplitSettings, draw, fix_pool
from trimtab.tasks.synthetic import Synthetic
from trimtab.types import Items

SIZES = SplitSettings(supervisor=100, transfer=80, test=60)


def made(texts: list[str], gold: list[int], **others) -> Items:
    count = len(texts)
    values = {
        "ids": tuple(f"i{k:04d}" for k in range(count)),
        "classes": ("no", "yes"),
        "groups": tuple(f"i{k:04d}" for k in range(count)),
    }
    return Items(texts=tuple(texts), gold=np.array(gold), **{**values, **others})


def distinct(count: int) -> list[str]:
    return [" ".join(f"{letter}{k}" for letter in "abcdefghijkl") for k in range(count)]


def reordered(items: Items, order: np.ndarray) -> Items:
    return replace(
        items,
        ids=tuple(items.ids[k] for k in order),
        texts=tuple(items.texts[k] for k in order),
        gold=items.gold[order],
        groups=tuple(items.groups[k] for k in order),
    )


def test_seeds_differ_and_the_test_split_does_not() -> None:
    pool = fix_pool(Synthetic(items=240).read(), SIZES)
    first, second = draw(pool, SIZES, 0), draw(pool, SIZES, 1)
    assert first.test == second.test == pool.test
    assert set(first.supervisor) != set(second.supervisor)
    assert set(first.supervisor) | set(first.transfer) == set(second.supervisor) | set(second.transfer)
    for one in (first, second):
        assert (len(one.supervisor), len(one.transfer), len(one.test)) == (100, 80, 60)
        assert len({*one.supervisor, *one.transfer, *one.test}) == 240
    assert draw(pool, SIZES, 0) == first


def test_pool_counts_the_test_items() -> None:
    settings_ = replace(SIZES, pool=300)
    pool = fix_pool(Synthetic(items=400).read(), settings_)
    assert (len(pool.test), len(pool.train), pool.unused) == (60, 240, 100)
    first, second = draw(pool, settings_, 0), draw(pool, settings_, 1)
    assert {*first.supervisor, *first.transfer} != {*second.supervisor, *second.transfer}
    with pytest.raises(ValueError, match=r"supervisor \+ transfer \+ test = 240, found 239"):
        replace(SIZES, pool=239)


def test_split_seed_changes_the_test_split() -> None:
    items = Synthetic(items=400).read()
    assert fix_pool(items, SIZES).test != fix_pool(items, replace(SIZES, split_seed=1)).test


@pytest.mark.parametrize("group_size", [1, 4])
def test_the_order_of_the_rows_changes_nothing(group_size: int) -> None:
    items = Synthetic(items=400, group_size=group_size).read()
    order = np.random.default_rng(3).permutation(400)
    pool, other = fix_pool(items, SIZES), fix_pool(reordered(items, order), SIZES)
    assert pool == other
    assert draw(pool, SIZES, 7) == draw(other, SIZES, 7)


def test_membership_is_the_same_on_every_platform() -> None:
    """Frozen values: a change of these lines is a change of every stored study."""
    settings_ = SplitSettings(3, 3, 3)
    pool = fix_pool(made(distinct(12), [k % 2 for k in range(12)]), settings_)
    assert [one[-2:] for one in pool.test] == ["00", "10", "11"]
    assert [one[-2:] for one in draw(pool, settings_, 0).supervisor] == ["06", "08", "09"]


def test_shares_of_the_classes_are_kept_within_one() -> None:
    items = Synthetic(items=900, classes=3, shares=(0.7, 0.2, 0.1)).read()
    settings_ = SplitSettings(200, 150, 101, pool=700)
    pool = fix_pool(items, settings_)
    gold = dict(zip(items.ids, items.gold.tolist(), strict=True))
    members = draw(pool, settings_, 0)

    def counts(ids: tuple[str, ...]) -> np.ndarray:
        return np.bincount([gold[one] for one in ids], minlength=3)

    whole = counts(items.ids) / 900
    assert np.abs(counts(pool.test) - 101 * whole).max() <= 1
    inside = counts(pool.train) / len(pool.train)
    assert np.abs(counts(members.supervisor) - 200 * inside).max() <= 1
    assert np.abs(counts(members.transfer) - 150 * inside).max() <= 2  # drawn from what the supervisor left


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.data())
def test_largest_remainder(counts: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(counts)))
    targets = largest_remainder(total, counts)
    assert sum(targets) == (total if sum(counts) else 0)
    for target, count in zip(targets, counts, strict=True):
        assert 0 <= target <= count
        assert abs(target - total * count / max(1, sum(counts))) < 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_groups_templates_and_near_duplicates_never_straddle(seed: int, size: int, templates: bool) -> None:
    random = np.random.default_rng(seed)
    texts = distinct(150)
    for _ in range(10):  # near duplicates: another last word, 4 of 5 grams would not do, so a longer text
        a, b = random.integers(150, size=2)
        texts[a] = f"{texts[b]} more{a}"
    items = made(
        texts,
        random.integers(0, 2, size=150).tolist(),
        groups=tuple(f"g{k}" for k in random.integers(0, 150 // size, size=150)),
        templates=tuple(f"t{k}" for k in random.integers(0, 100, size=150)) if templates and size == 1 else None,
    )
    settings_ = SplitSettings(12, 10, 8)
    try:
        pool = fix_pool(items, settings_)
        members = draw(pool, settings_, 0)
    except TaskError as error:
        assert "Too few items" in str(error) or "no item of class" in str(error)
        return
    splits = {"supervisor": members.supervisor, "transfer": members.transfer, "test": members.test}
    place = {one: name for name, ids in splits.items() for one in ids}
    assert len(place) == 30
    for column in (items.groups, items.templates or items.ids):
        seen: dict[str, str] = {}
        for one, name in zip(items.ids, column, strict=True):
            if one in place:
                assert seen.setdefault(name, place[one]) == place[one]
    text_of = dict(zip(items.ids, items.texts, strict=True))
    for one in place:
        for other in place:
            if text_of[one].startswith(text_of[other]):
                assert place[one] == place[other]
                assert one == other or place[one] != "test"


def test_groups_are_not_broken_when_they_fit() -> None:
    items = Synthetic(items=400, group_size=4, shares=(0.5, 0.5)).read()
    pool = fix_pool(items, SIZES)
    group = dict(zip(items.ids, items.groups, strict=True))
    in_test = Counter(group[one] for one in pool.test)
    assert pool.dropped["group"] <= 12  # only the last groups are cut
    assert sum(count == 4 for count in in_test.values()) >= 12
    pairs = set(zip(pool.test_related, (group[one] for one in pool.test), strict=True))
    assert len(pairs) == len(in_test), "one number per group of the test split"


def test_other_sizes_inside_a_given_pool_share_test_split_and_pool() -> None:
    items = Synthetic(items=400).read()
    small, large = (SplitSettings(supervisor=n, transfer=n, test=60, pool=300) for n in (30, 90))
    assert small.of_pool() == large.of_pool() != small
    assert fix_pool(items, small.of_pool()) == fix_pool(items, small) == fix_pool(items, large)
    without = SplitSettings(supervisor=30, transfer=30, test=60)
    assert without.of_pool() == without


def test_exact_duplicates_leave_one_and_conflicts_none() -> None:
    texts = [*distinct(40), "The  Same text!", "the same TEXT!", "Both ways", "both ways"]
    items = made(texts, [*[k % 2 for k in range(40)], 1, 1, 0, 1])
    settings_ = SplitSettings(15, 15, 11)
    pool = fix_pool(items, settings_)
    assert pool.dropped == {"duplicate": 1, "conflict": 2, "near_duplicate": 0, "group": 0}
    used = {*pool.test, *pool.train}
    assert len(used) == 41
    assert "i0040" in used
    assert not used & {"i0041", "i0042", "i0043"}


def test_near_duplicates_of_test_items_are_trained_on_by_nobody() -> None:
    texts = distinct(30)
    copies = [f"{text} again and again" for text in texts]
    items = made(texts + copies, [k % 2 for k in range(30)] * 2)
    pool = fix_pool(items, SplitSettings(10, 10, 10))
    assert pool.dropped["near_duplicate"] == 10
    number = {int(one[1:]) % 30 for one in pool.test}
    assert len(number) == 10
    assert not number & {int(one[1:]) % 30 for one in pool.train}


def test_five_test_items() -> None:
    settings_ = SplitSettings(50, 50, 5)
    pool = fix_pool(Synthetic(items=200).read(), settings_)
    assert len(pool.test) == len(draw(pool, settings_, 0).test) == 5


def test_too_few_items_says_the_numbers_and_the_ways_out() -> None:
    with pytest.raises(TaskError, match=r"found 200, wanted 240.*200 items were read.*smaller"):
        fix_pool(Synthetic(items=200).read(), SIZES)
    with pytest.raises(TaskError, match=r"size of supervisor and test is not given.*66 each"):
        fix_pool(Synthetic(items=200).read(), SplitSettings(transfer=50))


def test_one_large_group_is_named_as_the_reason() -> None:
    items = made(distinct(100), [k % 2 for k in range(100)], groups=("all",) * 60 + tuple(f"g{k}" for k in range(40)))
    with pytest.raises(TaskError, match=r"largest set of related items .* has 60"):
        fix_pool(items, SplitSettings(30, 30, 41))


def test_groups_that_leave_too_few_for_the_transfer_split() -> None:
    items = made(distinct(90), [k % 2 for k in range(90)], groups=tuple(f"g{k // 30}" for k in range(90)))
    settings_ = SplitSettings(31, 20, 30)
    pool = fix_pool(items, settings_)
    with pytest.raises(TaskError, match=r"transfer split of seed 0: found 0, wanted 20.*related to one of these"):
        draw(pool, settings_, 0)


def test_an_empty_class_is_refused() -> None:
    with pytest.raises(TaskError, match='Class "yes" has no items'):
        fix_pool(made(distinct(30), [0] * 30), SplitSettings(10, 10, 10))


def test_a_training_split_without_a_class_is_refused() -> None:
    items = made(distinct(60), [1] + [0] * 59)
    settings_ = SplitSettings(20, 20, 20)
    with pytest.raises(TaskError, match='split has no item of class "yes"'):
        draw(fix_pool(items, settings_), settings_, 0)


OWN = ("test",) * 10 + ("supervisor",) * 15 + ("transfer",) * 15


def test_own_splits_are_kept_for_every_seed() -> None:
    items = made(distinct(40), [k % 2 for k in range(40)], splits=OWN)
    pool = fix_pool(items, SplitSettings())
    first, second = draw(pool, SplitSettings(), 0), draw(pool, SplitSettings(), 5)
    assert first == second
    assert first.test == items.ids[:10]
    assert first.supervisor == items.ids[10:25]
    assert first.transfer == items.ids[25:]
    smaller = fix_pool(items, SplitSettings(supervisor=10, test=6))
    assert len(smaller.test) == 6
    assert set(smaller.supervisor or ()) < set(items.ids[10:25])
    assert smaller.unused == 9
    with pytest.raises(TaskError, match=r"split\.pool is 30.*Leave split\.pool out"):
        fix_pool(items, SplitSettings(pool=30))
    with pytest.raises(TaskError, match=r"transfer split.*found 15, wanted 16"):
        fix_pool(items, SplitSettings(transfer=16))


def test_leaks_between_own_splits_leave_the_training_sides() -> None:
    texts = distinct(40)
    texts[12] = texts[3].upper()  # supervisor item = test item
    texts[30] = f"{texts[4]} with more words"  # transfer item nearly = test item
    texts[31] = f"{texts[14]} with more words"  # transfer item nearly = supervisor item
    texts[9] = f"{texts[8]} with more words"  # two test items nearly the same
    groups = [f"i{k}" for k in range(40)]
    groups[20] = groups[5]
    items = made(texts, [k % 2 for k in range(40)], splits=OWN, groups=tuple(groups))
    items = replace(items, gold=np.where(np.arange(40) == 12, items.gold[3], items.gold))
    pool = fix_pool(items, SplitSettings())
    assert pool.dropped == {"duplicate": 1, "conflict": 0, "near_duplicate": 3, "group": 1}
    assert [int(one[1:]) for one in pool.test] == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert {10, *range(11, 25)} - {int(one[1:]) for one in pool.supervisor or ()} == {12, 20}
    assert set(range(25, 40)) - {int(one[1:]) for one in pool.transfer or ()} == {30, 31}


def test_own_train_split_is_divided_by_every_seed() -> None:
    items = made(distinct(40), [k % 2 for k in range(40)], splits=("test",) * 10 + ("train",) * 30)
    settings_ = SplitSettings(supervisor=15, transfer=15)
    pool = fix_pool(items, settings_)
    first, second = draw(pool, settings_, 0), draw(pool, settings_, 1)
    assert first.test == second.test == items.ids[:10]
    assert set(first.supervisor) != set(second.supervisor)
    with pytest.raises(TaskError, match="size of supervisor and transfer is not given"):
        draw(pool, SplitSettings(), 0)


def test_own_splits_without_a_test_split() -> None:
    items = made(distinct(4), [0, 1, 0, 1], splits=("supervisor", "supervisor", "transfer", "transfer"))
    with pytest.raises(TaskError, match="own splits are supervisor, transfer; wanted all three"):
        fix_pool(items, SplitSettings())


def test_a_pool_that_is_too_small_for_the_own_train_split() -> None:
    items = made(distinct(40), [k % 2 for k in range(40)], splits=("test",) * 10 + ("train",) * 30)
    with pytest.raises(TaskError, match=r"split\.pool is 20, .* leaves 10 to draw from; wanted 20.* at least 30"):
        fix_pool(items, SplitSettings(supervisor=10, transfer=10, pool=20))
    with pytest.raises(TaskError, match="found 30, wanted 40"):
        fix_pool(items, SplitSettings(supervisor=20, transfer=20))
    assert len(fix_pool(items, SplitSettings(supervisor=10, transfer=10, pool=32)).train) == 22
