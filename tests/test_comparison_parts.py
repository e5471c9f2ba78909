"""Parts of the test split: terciles of numbers, of the texts' lengths, and the classes."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.comparison.parts import parts_of, terciles


def test_terciles_hold_every_item_once() -> None:
    values = np.random.default_rng(0).normal(size=31)
    parts = terciles(values)
    assert np.array_equal(sum(inside.astype(int) for _, inside in parts), np.ones(31))
    assert [int(inside.sum()) for _, inside in parts] == [10, 10, 11]


@pytest.mark.parametrize("values, sizes", [([1, 1, 1, 1], []), ([0, 0, 0, 1, 2, 2], [4, 2]), ([0, 0, 0, 0, 0, 1], [])])
def test_ties_stay_together(values: list[float], sizes: list[int]) -> None:
    assert [int(inside.sum()) for _, inside in terciles(np.array(values, float))] == sizes


def test_parts_by_length_and_class() -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]
    found = parts_of({}, texts, np.array([0, 1, 0, 1, 0, 1]), ("bad", "good", "absent"))
    assert [(one.name, one.inside.tolist().count(True), one.metric) for one in found] == [
        ("text length in characters 1.00 to 2.67", 2, None),
        ("text length in characters 2.67 to 4.33", 2, None),
        ("text length in characters 4.33 to 6.00", 2, None),
        ("class bad", 3, "accuracy"),
        ("class good", 3, "accuracy"),
    ]
