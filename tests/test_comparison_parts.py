"""Parts of the test split: terciles of numbers, of the texts' lengths, and the classes."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.comparison.parts import LENGTH, cut_at, parts_of, terciles, unknown_cuts


def test_terciles_hold_every_item_once() -> None:
    values = np.random.default_rng(0).normal(size=31)
    parts = terciles(values)
    assert np.array_equal(sum(inside.astype(int) for _, inside in parts), np.ones(31))
    assert [int(inside.sum()) for _, inside in parts] == [10, 10, 11]


@pytest.mark.parametrize("values, sizes", [([1, 1, 1, 1], []), ([0, 0, 0, 1, 2, 2], [4, 2]), ([0, 0, 0, 0, 0, 1], [])])
def test_ties_stay_together(values: list[float], sizes: list[int]) -> None:
    assert [int(inside.sum()) for _, inside in terciles(np.array(values, float))] == sizes


def test_cuts_in_the_place_of_terciles() -> None:
    """An edge belongs to the part below it; a part without items is left out."""
    values = np.array([0.2, 1.0, 1.5, 3.0, 0.9])
    found = cut_at(values, [1.0, 2.0])
    assert [(name, inside.tolist()) for name, inside in found] == [
        ("at most 1", [True, True, False, False, True]),
        ("above 1, at most 2", [False, False, True, False, False]),
        ("above 2", [False, False, False, True, False]),
    ]
    assert [name for name, _ in cut_at(values, [5.0])] == ["at most 5"]
    parts = parts_of({"far": values}, ["x"] * 5, np.zeros(5, int), ("a",), {"far": [1.0]})
    assert [one.name for one in parts] == ["far at most 1", "far above 1", "class a"]


def test_a_cut_of_an_unknown_number_is_named() -> None:
    (warning,) = unknown_cuts({"near": [1.0], LENGTH: [3.0], "far": [2.0]}, ["far"])
    assert warning["code"] == "unknown_cut"
    assert warning["text"] == "cuts: no number is called near; there are far, text length in characters."


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
