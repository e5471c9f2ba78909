"""A model that calls everything by one name is named in a warning."""

from __future__ import annotations

import numpy as np
from test_comparison_labels import measured, row

from trimtab.comparison.one_class import one_class_warnings

CLASSES = ("bad", "good")


def with_constant(*positions: int):
    """Return the comparison of two seeds with "good" for every item at some positions."""
    made = measured()
    always = np.tile([0.2, 0.8], (200, 1))
    predictions = tuple(always if i in positions else one for i, one in enumerate(made.predictions))
    return type(made)(**{**vars(made), "predictions": predictions, "_scores": {}})


def test_models_that_tell_classes_apart_are_not_named():
    assert one_class_warnings(measured(), [row()], CLASSES) == []


def test_a_constant_student_is_named_once_with_its_class():
    (found,) = one_class_warnings(with_constant(1), [row(), row()], CLASSES)
    assert (found["code"], found["row"]) == ("one_class", "w0-s0-stepped")
    assert '"good" in every seed' in found["text"]


def test_the_seed_is_said_where_it_is_not_every_seed():
    split = row(student_predictions=(1, 3))
    (found,) = one_class_warnings(with_constant(3), [split], CLASSES)
    assert "in seed 1:" in found["text"]


def test_supervisor_and_ceiling_are_looked_at_too():
    found = one_class_warnings(with_constant(0, 2), [row()], CLASSES)
    assert [one["row"] for one in found] == ["w0", "s0-ceiling"]


def test_a_test_split_of_one_class_says_nothing_about_models():
    made = with_constant(1)
    only = type(made)(**{**vars(made), "gold": np.ones(200, dtype=int), "_scores": {}})
    assert one_class_warnings(only, [row()], CLASSES) == []
