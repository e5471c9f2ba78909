"""Splits by level: easy items teach, hard ones are tested, some easy ones are kept; what is said where it cannot be."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tasks_splits import distinct, made, reordered

from trimtab.digest import settings_of
from trimtab.errors import ExperimentError, TaskError
from trimtab.experiment import parse
from trimtab.tasks.by_level.pool import draw_levels, fix_levels
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.file import File
from trimtab.tasks.splits import SplitSettings
from trimtab.types import Items

SIZES = ByLevel(supervisor=60, transfer=60, test=50, by="level", hard_from=3)


def levelled(count: int = 400, levels: tuple[int, ...] = (1, 2, 3, 5), **others: Any) -> Items:
    """Return items of which every second has class 1, with the levels in turn, two items each."""
    level = np.array([levels[k // 2 % len(levels)] for k in range(count)], float)
    return made(distinct(count), [k % 2 for k in range(count)], **{"slices": {"level": level}, **others})


def sides(items: Items, split: ByLevel, seed: int = 0) -> dict[str, tuple[str, ...]]:
    return draw_levels(fix_levels(items, split), split, seed)


def test_supervisor_and_kept_items_are_easy_and_the_others_hard() -> None:
    items = levelled()
    level = dict(zip(items.ids, items.slices["level"], strict=True))
    found = sides(items, SIZES)
    assert {name: len(ids) for name, ids in found.items()} == {"supervisor": 60, "transfer": 60, "test": 50, "kept": 50}
    assert len({one for ids in found.values() for one in ids}) == 220
    for name, ids in found.items():
        assert {level[one] for one in ids} == ({1, 2} if name in ("supervisor", "kept") else {3, 5}), name


def test_seeds_redraw_supervisor_and_transfer_items_alone() -> None:
    split = replace(SIZES, pool=300)
    first, second = (sides(levelled(), split, seed) for seed in (0, 1))
    assert first == sides(levelled(), split)
    for name in first:
        assert (first[name] == second[name]) == (name in ("test", "kept")), name


def test_without_a_pool_the_sizes_are_all_that_is_used() -> None:
    pool = fix_levels(levelled(), SIZES)
    assert (len(pool.train), sum(pool.train_hard), pool.unused) == (120, 60, 400 - 220)
    first, second = (set(draw_levels(pool, SIZES, seed)["transfer"]) for seed in (0, 1))
    assert first == second, "the whole of either side"


def test_a_pool_is_divided_in_two() -> None:
    pool = fix_levels(levelled(), replace(SIZES, pool=300, kept=40))
    assert (len(pool.test), len(pool.kept), len(pool.train), sum(pool.train_hard)) == (50, 40, 210, 105)


def test_other_sizes_inside_a_pool_share_test_and_kept_items() -> None:
    split = replace(SIZES, pool=300)
    smaller = replace(split, supervisor=30, transfer=30)
    assert split.of_pool() == smaller.of_pool() and split.of_pool() != SIZES.of_pool()
    assert fix_levels(levelled(), split) == fix_levels(levelled(), smaller.of_pool())


def test_the_size_of_the_second_test() -> None:
    assert SIZES.held == 50 and replace(SIZES, kept=20).held == 20
    assert len(sides(levelled(), replace(SIZES, kept=20))["kept"]) == 20


def test_class_shares_are_kept_on_either_side() -> None:
    """Three quarters of the easy items are of class 1, one quarter of the hard ones."""
    level = np.repeat([1.0, 2.0], 200)
    gold = [int(k % 4 < 3) for k in range(200)] + [int(k % 4 == 0) for k in range(200)]
    items = made(distinct(400), gold, slices={"level": level})
    split = ByLevel(60, 60, 50, by="level", hard_from=2)
    gold_of = dict(zip(items.ids, gold, strict=True))
    shares = {name: sum(gold_of[one] for one in ids) / len(ids) for name, ids in sides(items, split).items()}
    for name, share in shares.items():
        assert share == pytest.approx(0.75 if name in ("supervisor", "kept") else 0.25, abs=1.01 / 50), name


def test_the_order_of_the_rows_changes_nothing() -> None:
    items = levelled()
    order = np.random.default_rng(3).permutation(400)
    other = replace(reordered(items, order), slices={"level": items.slices["level"][order]})
    assert fix_levels(items, SIZES) == fix_levels(other, SIZES)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_groups_that_span_levels_never_straddle_two_splits(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    groups = tuple(f"g{k}" for k in random.integers(0, 400 // size, 400))
    items = levelled(groups=groups, slices={"level": random.integers(1, 5, 400).astype(float)})
    split = ByLevel(30, 30, 20, by="level", hard_from=3, kept=20)
    found = sides(items, split, seed % 3)
    group_of = dict(zip(items.ids, groups, strict=True))
    owners: dict[str, set[str]] = {}
    for name, ids in found.items():
        for one in ids:
            owners.setdefault(group_of[one], set()).add(name)
    assert all(len(names) == 1 for names in owners.values())


def test_a_copy_of_a_test_item_on_the_easy_side_is_trained_on_by_nobody() -> None:
    """Every hard text stands within an easy one too."""
    texts = distinct(200)
    items = made([*(f"{text} and so on" for text in texts), *texts], [k % 2 for k in range(400)],
                 slices={"level": np.repeat([1.0, 3.0], 200)})  # fmt: skip
    pool = fix_levels(items, ByLevel(40, 40, 50, by="level", hard_from=3, kept=30))
    text_of = dict(zip(items.ids, items.texts, strict=True))

    def short(ids: tuple[str, ...]) -> set[str]:
        return {text_of[one].removesuffix(" and so on") for one in ids}

    assert len(short(pool.test)) == 50 and len(short(pool.kept)) == 30
    assert not short(pool.test) & short(pool.kept)
    assert not short((*pool.test, *pool.kept)) & short(pool.train)
    assert pool.dropped["near_duplicate"] == 80


def test_related_items_of_the_other_side_leave_and_are_counted() -> None:
    """Each hard item has an easy brother; those of test and kept items leave."""
    groups = tuple(f"g{k % 200}" for k in range(400))
    items = levelled(groups=groups, slices={"level": np.repeat([1.0, 3.0], 200)})
    pool = fix_levels(items, ByLevel(40, 40, 50, by="level", hard_from=3, kept=30))
    assert pool.dropped["group"] == 50 + 30
    group_of = dict(zip(items.ids, groups, strict=True))
    held = {group_of[one] for one in (*pool.test, *pool.kept)}
    assert len(held) == 80 and not held & {group_of[one] for one in pool.train}


@pytest.mark.parametrize("hard_from, message", [
    (6, r"hard_from is 6, which leaves no hard items: the levels found are 1, 2, 3, 5\. Take a number from 2 to 5"),
    (1, r"split\.hard_from is 1, which leaves no easy items: the levels found are 1, 2, 3, 5\."),
])  # fmt: skip
def test_a_side_without_items(hard_from: int, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        fix_levels(levelled(), replace(SIZES, hard_from=hard_from))


def test_of_two_levels_there_is_one_border() -> None:
    two = levelled(slices={"level": np.arange(400) % 2 + 1.0})
    with pytest.raises(TaskError, match=r"the levels found are 1, 2\. Take 2\."):
        fix_levels(two, replace(SIZES, hard_from=3))


def test_a_level_that_lies_between_those_found_is_a_border_too() -> None:
    assert len(sides(levelled(), replace(SIZES, hard_from=4, test=40))["transfer"]) == 60


@pytest.mark.parametrize("slices, message", [
    ({}, r'split\.by is "level", and the task has no such number for its items \(it has no numbers\)\. Take'),
    ({"difficulty": np.ones(400)}, r"its numbers are difficulty\)"),
    ({"level": np.ones(400)}, r"All items have level 1; a split by level needs easy items and hard ones"),
    ({"level": np.arange(400) / 2}, r'must be a whole number for every item: item i0001, ".+", has 0\.5\.'),
    ({"level": np.array([np.nan] + [1.0] * 399)}, r'item i0000, ".*", has nan'),
])  # fmt: skip
def test_levels_that_cannot_be_used(slices: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        fix_levels(levelled(slices=slices), SIZES)


def test_another_number_of_the_task_may_be_the_level() -> None:
    items = levelled(slices={"steps": np.arange(400) % 4.0})
    found = sides(items, replace(SIZES, by="steps", hard_from=2))
    assert all(int(one[1:]) % 4 < 2 for one in found["supervisor"])


def test_splits_of_its_own() -> None:
    own = tuple(("train", "test")[k % 2] for k in range(400))
    with pytest.raises(TaskError, match="The data set names its own splits, which a split by level would undo"):
        fix_levels(levelled(splits=own), SIZES)


@pytest.mark.parametrize("change, message", [
    ({"transfer": 59}, "supervisor and transfer must be equally large where the split is by level.*found 60 and 59"),
    ({"kept": 0}, "kept must be at least 1 item, found 0"),
    ({"pool": 219}, r"pool counts the test items and the kept easy items too.*= 220, found 219"),
    ({"pool": 169}, r"pool counts the test items too"),
])  # fmt: skip
def test_sizes_that_cannot_be(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SIZES, **change)


@pytest.mark.parametrize("change, message", [
    ({"test": 201, "kept": 10}, r"Too few items for the test split, which is hard: found 200, wanted 201"),
    ({"kept": 201}, r"Too few items for the easy items of a second test \(split\.kept\): found 200, wanted 201"),
    ({"kept": 150}, r"Too few items for the easy items that are trained on: found 50, wanted 60"),
    ({"test": 150, "kept": 50}, r"Too few items for the hard items that are trained on: found 50, wanted 60"),
    ({"test": None}, "The size of test is not given"),
    ({"supervisor": None, "transfer": None}, "The size of supervisor and transfer is not given"),
])  # fmt: skip
def test_too_few_items(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        fix_levels(levelled(), replace(SIZES, **change))


def test_a_pool_that_is_too_small_for_a_seed() -> None:
    pool = fix_levels(levelled(), replace(SIZES, pool=220))
    with pytest.raises(
        TaskError, match=r"Too few items for the supervisor split of seed 3: found 60 easy ones in the pool"
    ):
        draw_levels(pool, replace(SIZES, supervisor=61, transfer=61), 3)


def test_a_class_that_easy_items_lack() -> None:
    level = np.array([1.0 if k % 2 == 0 else 3.0 for k in range(400)])
    with pytest.raises(TaskError, match=r'The supervisor split has no item of class "yes"'):
        sides(levelled(slices={"level": level}), replace(SIZES, kept=20, test=20))


def read(split: dict[str, Any], **sizes: int) -> Any:
    task = {"kind": "arithmetic", "supervisor": 10, "transfer": 10, "test": 10, **sizes}
    return parse({"name": "x", "task": task, "split": split, "weak": "w", "strong": "s", "methods": ["naive"]}, Path())


def test_an_experiment_file_with_a_split_by_level() -> None:
    split = read({"by": "level", "hard_from": 3, "kept": 8, "pool": 100}).split
    assert split == ByLevel(10, 10, 10, 100, by="level", hard_from=3, kept=8)


@pytest.mark.parametrize("split, message", [
    ({"by": "level"}, r"split\.hard_from: the key is missing"),
    ({"hard_from": 2}, r"split\.by: the key is missing"),
    ({"by": "level", "hard_from": 2.5}, r"split\.hard_from: found 2\.5; wanted a whole number"),
    ({"by": "level", "hard_form": 2}, r'split\.hard_form: unknown key\. Did you mean "hard_from"'),
    ({"by": "level", "hard_from": 2, "pool": 20}, r"split: pool counts the test items too"),
])  # fmt: skip
def test_a_wrong_split_names_its_place(split: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        read(split)


def test_unequal_sizes_are_named_where_the_split_is_by_level_alone() -> None:
    with pytest.raises(ExperimentError, match="split: supervisor and transfer must be equally large"):
        read({"by": "level", "hard_from": 2}, transfer=11)
    read({}, transfer=11)


def test_a_split_that_is_not_by_level_has_the_settings_that_it_always_had() -> None:
    """Stored results of all other studies are found by them."""
    split = read({"pool": 40}).split
    assert type(split) is SplitSettings
    assert settings_of(split) == {"supervisor": 10, "transfer": 10, "test": 10, "pool": 40, "split_seed": 0}
    assert [one.name for one in fields(SplitSettings)] == list(settings_of(split))


def test_levels_of_a_file_are_a_column_of_it(tmp_path: Path) -> None:
    rows = [f"r{k},some text number {k} and {k * 7},{('no', 'yes')[k % 2]},{k // 2 % 3}" for k in range(240)]
    (tmp_path / "a.csv").write_text("\n".join(["id,text,label,level", *rows]), "utf-8")
    items = File(str(tmp_path / "a.csv"), id="id", slices=("level",)).read()
    found = sides(items, ByLevel(40, 40, 30, by="level", hard_from=2))
    assert Counter(int(one[1:]) // 2 % 3 for one in found["transfer"]) == {2: 40}
