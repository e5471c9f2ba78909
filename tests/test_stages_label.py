"""What a label step is held to: items, shape, probabilities, weights, more than one class; and budgets that add up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.methods import Method
from trimtab.objectives.naive import Naive
from trimtab.stages.step_call import checked_step, stepped
from trimtab.supervise.ground_truth import GroundTruth
from trimtab.types import Labels

BEFORE = Labels(("a", "b", "c"), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]), np.ones(3))


class Step:
    """A step that returns what it is told to."""

    truth: ClassVar[str] = "none"

    def __init__(self, after: Any) -> None:
        self.after = after

    def __call__(self, labels: Labels) -> Any:
        return self.after


@pytest.mark.parametrize(
    "after, message",
    [
        (None, "Step returned NoneType; wanted trimtab.types.Labels"),
        (replace(BEFORE, ids=("a", "b", "d")), "returned other ids"),
        (replace(BEFORE, probabilities=np.full((3, 4), 0.25)), r"shape \(3, 4\); wanted \(3, 2\)"),
        (replace(BEFORE, probabilities=np.full((3, 2), 0.4)), "are not probabilities"),
        (replace(BEFORE, ids=np.array(BEFORE.ids)), "returned other ids"),
        (replace(BEFORE, weights=[1.0, 1.0, 1.0]), "returned weights as a list; wanted a numpy array of float64"),
        (replace(BEFORE, probabilities=BEFORE.probabilities.tolist()), "returned probabilities as a list; wanted"),
        (replace(BEFORE, weights=np.array(["1", "1", "1"])), "returned weights as an array of <U1; wanted"),
        (replace(BEFORE, weights=np.ones((3, 1))), r"weights of shape \(3, 1\); wanted \(3,\): one per item"),
        (replace(BEFORE, weights=np.zeros(3)), "returned the weight 0 for all 3 items, .* drop fewer items"),
        (replace(BEFORE, weights=np.array([1.0, np.nan, -1.0])), "the weight nan for b, and 2 of 3 weights like it"),
        (
            replace(BEFORE, weights=np.array([0.0, 1.0, 1.0])),
            "leaves 2 of 3 items, all of class 1 .*; keep more of them",
        ),
        (
            replace(BEFORE, probabilities=np.full((3, 2), [0.9, 0.1])),
            "leaves 3 of 3 items, all of class 0 .*; nothing was dropped, so that its settings change labels too much",
        ),
    ],
)
def test_what_a_step_may_not_return(after: Any, message: str) -> None:
    with pytest.raises(FitError, match=message):
        stepped(Step(after), BEFORE)


def test_what_was_dropped_stays_dropped() -> None:
    before = replace(BEFORE, weights=np.array([1.0, 1.0, 0.0]))
    with pytest.raises(
        FitError, match="gives weight to 1 items that an earlier step dropped, first c; wanted weight 0"
    ):
        stepped(Step(BEFORE), before)
    assert stepped(Step(before), before).weights.tolist() == [1, 1, 0]


class Broken:
    """A step with a mistake of its own."""

    truth: ClassVar[str] = "none"

    def __call__(self, labels: Labels) -> Labels:
        return labels.missing  # pyright: ignore[reportAttributeAccessIssue]


def test_an_error_of_a_step_says_where_it_is() -> None:
    line = Broken.__call__.__code__.co_firstlineno + 1
    wanted = (
        rf"label step Broken raised AttributeError: .* 'missing' in {Path(__file__).name}, line {line}; it was called"
    )
    with pytest.raises(FitError, match=wanted + " with 3 items of 2 classes"):
        stepped(Broken(), BEFORE)


def test_labels_of_one_class_may_stay_so() -> None:
    alike = replace(BEFORE, probabilities=np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]))
    assert stepped(Step(alike), alike).ids == BEFORE.ids


def test_budgets_of_several_steps_add_up() -> None:
    """Two steps may buy other items, so that the truth of as many as both may buy has been read."""
    first: Any = GroundTruth(budget=100)
    second: Any = GroundTruth(budget=20, choose="least_certain")
    once = checked_step(first, BEFORE, BEFORE)
    assert once.truth == "budget(100)"
    assert checked_step(second, once, once).truth == checked_step(second, once, BEFORE).truth == "budget(120)"
    assert Method("both", Naive(), (first, second)).truth == "budget(120)"
