"""Generated sums: truth by a parser of this file, balance, no sum twice, nothing to be read off the surface."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trimtab.errors import TaskError
from trimtab.tasks.arithmetic import Arithmetic
from trimtab.tasks.steps import MISTAKES, Sum, mistaken
from trimtab.types import Items


def parsed(text: str) -> tuple[list[int], str, int]:
    """Return the signed numbers, the relation and the stated number of a statement."""
    left, relation, number = re.fullmatch(r"(.+) ([=>]) (\d+)", text).groups()  # pyright: ignore[reportOptionalMemberAccess]
    words = left.split(" ")
    signs = [1, *({"+": 1, "-": -1}[word] for word in words[1::2])]
    return [sign * int(word) for sign, word in zip(signs, words[::2], strict=True)], relation, int(number)


def is_true(text: str) -> bool:
    numbers, relation, stated = parsed(text)
    return sum(numbers) == stated if relation == "=" else sum(numbers) > stated


def canonical(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what is added (the start included) and what is taken away, without their order."""
    numbers = parsed(text)[0]
    return tuple(sorted(n for n in numbers if n > 0)), tuple(sorted(-n for n in numbers if n < 0))


TASKS = [
    Arithmetic(items=3000),
    Arithmetic(items=3000, relation=">", data_seed=3),
    Arithmetic(items=900, largest=999, levels=(2, 7)),
]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.relation}{task.largest}")


@each_task
def test_the_truth_is_what_an_independent_parser_finds(task: Arithmetic) -> None:
    items = task.read()
    assert [is_true(text) for text in items.texts] == (items.gold == 1).tolist()
    assert items.classes == ("wrong", "right")


@each_task
def test_the_level_is_the_number_of_operations_and_no_result_is_below_nought(task: Arithmetic) -> None:
    items = task.read()
    for text, level in zip(items.texts, items.slices["level"], strict=True):
        numbers = parsed(text)[0]
        assert len(numbers) == level + 1
        assert min(np.cumsum(numbers)) >= 0
        assert max(map(abs, numbers)) <= task.largest and min(map(abs, numbers)) >= 2


@each_task
def test_levels_and_classes_are_balanced(task: Arithmetic) -> None:
    items = task.read()
    assert len(items.ids) == len(set(items.ids)) == task.items
    cells = Counter(zip(items.slices["level"].tolist(), items.gold.tolist(), strict=True))
    assert set(cells) == {(level, right) for level in task.levels for right in (0, 1)}
    assert max(cells.values()) - min(cells.values()) <= 1


def test_an_odd_number_of_items_is_divided_as_evenly_as_it_can_be() -> None:
    items = Arithmetic(items=1003, levels=(1, 2, 3)).read()
    counts = Counter(items.slices["level"].tolist())
    assert sorted(counts.values()) == [334, 334, 335]
    for level in (1, 2, 3):
        assert abs(2 * items.gold[items.slices["level"] == level].sum() - counts[level]) <= 1


@each_task
def test_no_sum_comes_twice_in_whatever_order(task: Arithmetic) -> None:
    """What is the same sum has the same group, and there is one item of each."""
    items = task.read()
    keys = [canonical(text) for text in items.texts]
    assert len(set(keys)) == len(keys) == len(set(items.groups))


@pytest.mark.parametrize("one, other, same", [
    (Sum(3, (4,)), Sum(4, (3,)), True),
    (Sum(9, (4, -5)), Sum(4, (-5, 9)), True),
    (Sum(9, (-4,)), Sum(4, (-9,)), False),
    (Sum(9, (-4,)), Sum(9, (4,)), False),
    (Sum(1, (12,)), Sum(11, (2,)), False),
])  # fmt: skip
def test_which_sums_are_the_same(one: Sum, other: Sum, same: bool) -> None:
    assert (one.key == other.key) == same


def test_mistakes_by_hand() -> None:
    """23 + 45 - 12 = 56."""
    told = Sum(23, (45, -12))
    assert sorted(mistaken(told, "carry")) == [46, 66]
    assert sorted(mistaken(told, "step")) == [11, 44, 68, 101]  # 45 out; 12 twice; 12 out; 45 twice
    assert sorted(mistaken(told, "swap")) == [-34, 80]  # 23 - 45 - 12; 23 + 45 + 12


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_wrong_statement_is_off_by_its_kind_of_mistake(kind: str) -> None:
    items = Arithmetic(items=1000, mistakes=(kind,), levels=(1, 2, 3)).read()
    for text in (text for text, right in zip(items.texts, items.gold, strict=True) if not right):
        numbers, _, stated = parsed(text)
        off = stated - sum(numbers)
        steps = numbers[1:]
        wanted = {"carry": {10, -10}, "step": {s for n in steps for s in (n, -n)}, "swap": {-2 * n for n in steps}}[
            kind
        ]
        assert off in wanted, text


@each_task
def test_what_is_stated_is_as_long_and_as_even_as_the_result(task: Arithmetic) -> None:
    for text in task.read().texts:
        numbers, _, stated = parsed(text)
        assert len(str(stated)) == len(str(sum(numbers)))
        assert (stated - sum(numbers)) % 2 == 0


def test_more_than_lies_as_far_below_as_above() -> None:
    items = Arithmetic(items=8000, relation=">").read()
    off = np.array([stated - sum(numbers) for numbers, _, stated in map(parsed, items.texts)])
    right, wrong = off[items.gold == 1], off[items.gold == 0]
    assert (right < 0).all() and (wrong > 0).all()
    assert abs(right.mean() + wrong.mean()) < 4 * off.std() / np.sqrt(len(off))


def surface(texts: tuple[str, ...]) -> np.ndarray:
    """Return what can be seen without adding up: lengths, counts of signs, parities, digits of the stated number."""
    rows = []
    for text in texts:
        numbers, _, stated = parsed(text)
        digits = sum(one.isdigit() for one in text)
        rows.append([len(text), digits, text.count("+"), text.count("-"), stated % 2, len(str(stated)),
                     sum(n % 2 for n in numbers), sum(len(str(abs(n))) for n in numbers)])  # fmt: skip
    return np.array(rows, float)


def told_from_surface(items: Items) -> float:
    """Return the accuracy, on the other half, of a linear reading of the surface and of its products."""
    seen = StandardScaler().fit_transform(surface(items.texts))
    seen = np.concatenate([seen, *(seen * column[:, None] for column in seen.T)], 1)
    order = np.random.default_rng(0).permutation(len(seen))
    learn, test = order[::2], order[1::2]
    model = LogisticRegression(max_iter=2000, C=0.1).fit(seen[learn], items.gold[learn])
    return model.score(seen[test], items.gold[test])


@pytest.mark.parametrize("relation", ["=", ">"])
def test_the_surface_does_not_tell_the_class(relation: str) -> None:
    """Half right of 10,000 items is within .02 by four standard errors."""
    items = Arithmetic(items=20_000, levels=(1, 2, 3, 4, 5), largest=999, relation=relation).read()
    assert abs(told_from_surface(items) - 0.5) < 0.02


def test_the_surface_would_tell_mistakes_that_are_a_digit_longer() -> None:
    items = Arithmetic(items=4000).read()
    texts = tuple(text if right else f"{text}0" for text, right in zip(items.texts, items.gold, strict=True))
    leaky = Items(items.ids, texts, items.gold, items.classes, items.groups)
    assert told_from_surface(leaky) > 0.7


def test_equal_settings_give_equal_items_and_every_setting_counts() -> None:
    task = Arithmetic(items=200)
    assert task.read().texts == Arithmetic(items=200).read().texts
    changes: dict[str, Any] = {"items": 201, "levels": (1, 2), "largest": 50, "mistakes": ("swap",), "relation": ">",
                               "data_seed": 1, "prompt": "{text} ?"}  # fmt: skip
    others = [Arithmetic(**{"items": 200, name: value}) for name, value in changes.items()]
    assert len({one.fingerprint() for one in (task, *others)}) == 8
    assert all(one.read().texts != task.read().texts for one in others[:-1])


def test_other_levels_beside_it_change_nothing_about_a_level() -> None:
    alone, beside = Arithmetic(items=100, levels=(2,)).read(), Arithmetic(items=300, levels=(1, 2, 3)).read()
    assert alone.texts == tuple(t for t, level in zip(beside.texts, beside.slices["level"], strict=True) if level == 2)


@pytest.mark.parametrize("settings, message", [
    ({"items": 0}, "items must be at least 1"),
    ({"largest": 1}, "largest at least 2, found 4000 and 1"),
    ({"levels": ()}, "levels must be rising whole numbers of at least 1"),
    ({"levels": (0, 1)}, r"found \[0, 1\]"),
    ({"levels": (2, 1)}, r"found \[2, 1\]"),
    ({"mistakes": ()}, "mistakes must be some of carry, step, swap"),
    ({"mistakes": ("typo",)}, r"found \['typo'\]"),
    ({"relation": "<"}, "relation must be \"=\" or \">\", found '<'"),
    ({"prompt": "no place"}, r"prompt must hold \"\{text\}\" exactly once"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Arithmetic(**settings)


def test_more_items_than_there_are_sums() -> None:
    """Of the numbers 2 to 5, ten sums and at most six differences."""
    with pytest.raises(TaskError, match=r"Level 1 has too few different sums of numbers up to 5: found \d+, wanted 50"):
        Arithmetic(items=50, levels=(1,), largest=5).read()


def test_twenty_thousand_items_take_a_fifth_of_two_minutes_at_most() -> None:
    began = time.process_time()
    assert len(Arithmetic(items=20_000, largest=999).read().ids) == 20_000
    assert time.process_time() - began < 24


@pytest.mark.slow
def test_a_hundred_thousand_items_take_two_minutes_at_most() -> None:
    began = time.process_time()
    items = Arithmetic(items=100_000, largest=999).read()
    assert time.process_time() - began < 120
    assert len(set(map(canonical, items.texts))) == 100_000
