"""What a row says about labels and controls: counted and weighed by hand on four items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from trimtab.comparison.controls import CONTROLS
from trimtab.comparison.grid_edge import edge_warnings, wider
from trimtab.comparison.labels import gold_items, labels_json, truth_of
from trimtab.comparison.measured import Measured, shared_resample
from trimtab.comparison.remarks import control_reading, control_remarks, warnings
from trimtab.comparison.row import Row
from trimtab.experiment import parse
from trimtab.metrics.intervals import LEVEL, Interval
from trimtab.types import Labels

SEEDS = (0, 1)
IDS = ("a", "b", "c", "d")
GOLD = {"a": 0, "b": 0, "c": 1, "d": 1}


def told(answers: list[int], weights: list[float], truth: str = "none") -> Labels:
    """Return labels with these most probable classes."""
    return Labels(IDS, np.eye(2)[answers] * 0.8 + 0.1, np.array(weights), truth)


WEAK = (told([0, 1, 1, 0], [1, 1, 1, 1]), told([0, 0, 1, 0], [1, 1, 1, 1]))  # 2 and 3 of 4 right
KEPT = (told([0, 1, 1, 0], [3, 1, 0, 0]), told([0, 0, 1, 0], [1, 0, 2, 1]))  # 3/4 and 3/4 of the weight is right


def measured(*labels: Labels) -> Measured:
    """Return a comparison of two seeds whose supervisor is position 0, student 1, ceiling 2, control (a) 3."""
    gold = np.arange(200) % 2

    def answers(right: int) -> np.ndarray:
        chosen = np.where(np.arange(200) < right, gold, 1 - gold)
        return np.eye(2)[chosen] * 0.8 + 0.1

    return Measured(
        ids=tuple(map(str, range(200))),
        texts=("",) * 200,
        gold=gold,
        classes=("no", "yes"),
        slices={},
        seeds=SEEDS,
        predictions=tuple(answers(right) for right in (120, 150, 180, 150, 60)),
        labels=(*WEAK, *labels),
        transfer_gold=GOLD,
        resample=shared_resample(np.arange(200), 2, 400),
    )


def row(method: str = "stepped", control: str | None = None, truth: str = "none", **changes) -> Row:
    """Return a row over the positions of `measured`, told labels 2 and 3."""
    made = Row(
        chain=(),
        ceiling_kind="plain",
        key=f"w0-s0-{method}", weak="w0", strong="s0", method=method, truth=truth, control=control, self_pair=False,
        weak_predictions=(0, 0), student_predictions=(1, 1), ceiling_predictions=(2, 2),
        weak_labels=(0, 1), labels=(2, 3), weak_fits=(), student_fits=(), ceiling_fits=(),
    )  # fmt: skip
    return replace(made, **changes)


def test_kept_labels_are_weighed_as_the_loss_weighs_them():
    found = labels_json(measured(*KEPT), row())
    assert (found["weak"], found["kept"], found["gold"]) == (4, 2, 0)  # 2 and 3 labels kept: 2.5, rounded to even
    assert found["weak_accuracy"]["mean"] == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert found["kept_accuracy"]["mean"] == pytest.approx(3 / 4)
    # t with 1 degree of freedom: tan(0.475 pi) = 12.706; deviation over sqrt(2) is |x - y| / 2; cut at 0 and 1
    assert found["weak_accuracy"]["low"] == pytest.approx(max(0, 0.625 - np.tan(0.475 * np.pi) * 0.125))
    assert found["weak_accuracy"]["level"] == LEVEL
    assert found["kept_accuracy"]["low"] is None  # equal in both seeds: no interval without width
    assert "spread" in found["kept_accuracy"]["reason"]


@pytest.mark.parametrize(
    ("truth", "gold"), [("none", 0), ("supervisor", 0), ("budget(3)", 3), ("budget(50)", 4), ("oracle", 4)]
)
def test_ground_truth_is_counted_by_the_level_that_is_declared(truth: str, gold: int):
    assert labels_json(measured(*KEPT), row(truth=truth))["gold"] == gold
    assert gold_items(truth, 4) == gold


def test_labels_that_saw_more_truth_than_their_method_declares_are_believed():
    spent = [replace(one, truth="budget(2)") for one in KEPT]
    assert truth_of(measured(*spent), row()) == "budget(2)"
    assert labels_json(measured(*spent), row())["gold"] == 2
    assert truth_of(measured(*spent), row(truth="oracle")) == "oracle"


def test_controls_say_what_they_were_told_and_nothing_of_labels_they_never_saw():
    truth = [told([0, 0, 1, 1], [1, 1, 1, 1], "oracle")] * 2
    found = {
        name: labels_json(measured(*truth), row(name, name, "oracle" if one.told == "ground truth" else "none"))
        for name, one in CONTROLS.items()
        if one.told == "ground truth"
    }
    assert set(found) == {"flipped_truth", "weak_on_truth"}
    for one in found.values():
        assert (one["weak"], one["kept"], one["gold"]) == (0, 4, 4)
        assert one["weak_accuracy"] is None
        assert one["kept_accuracy"]["mean"] == 1
    weak_on_weak = labels_json(measured(), row("weak_on_weak", "weak_on_weak", labels=(0, 1)))
    assert (weak_on_weak["weak"], weak_on_weak["kept"], weak_on_weak["gold"]) == (4, 4, 0)
    assert weak_on_weak["weak_accuracy"] == weak_on_weak["kept_accuracy"]
    asked = labels_json(measured(), row("zero_shot", "zero_shot", labels=()))
    assert asked == {"weak": 0, "kept": 0, "gold": 0, "weak_accuracy": None, "kept_accuracy": None}


def difference(low: float | None, high: float | None) -> Interval:
    """Return a difference naive - control (a)."""
    return Interval(0.0, low, high, LEVEL, "crossed")


@pytest.mark.parametrize(
    ("low", "high", "recovered", "higher", "said"),
    [
        (0.01, 0.02, True, True, "does not explain how good naive is"),
        (-0.01, 0.02, True, True, "alone may explain how good naive is"),
        (-0.02, -0.01, True, True, "cost naive more than as many random ones"),
        # an error that is lower is a better student
        (-0.02, -0.01, True, False, "does not explain how good naive is"),
        (0.01, 0.02, True, False, "cost naive more than as many random ones"),
        # where no gap was recovered, there is nothing to explain
        (0.01, 0.02, False, True, "cost naive less than as many random ones"),
        (-0.01, 0.02, False, True, "not shown to cost naive more or less"),
        (-0.02, -0.01, False, True, "cost naive more than as many random ones"),
        (None, None, True, True, "nothing can be said"),
    ],
)
def test_what_the_difference_to_control_a_means(low, high, recovered, higher, said):
    reading = control_reading(difference(low, high), recovered, higher_is_better=higher)
    assert said in reading
    assert ("explain" in reading) <= (recovered or low is None)


@pytest.mark.parametrize(("ceiling", "explains"), [(2, True), (4, False)], ids=["a gap", "reversed"])
def test_the_sentence_on_control_a_knows_whether_there_is_a_gap(ceiling: int, explains: bool):
    naive = row("naive", labels=(0, 1), ceiling_predictions=(ceiling, ceiling))
    control = row("flipped_truth", "flipped_truth", "oracle", labels=(0, 1), student_predictions=(3, 3))
    (remark,) = control_remarks(measured(), [naive, control], "accuracy")
    sentence = remark["sentence"]
    assert sentence.startswith("Naive reaches accuracy 0.750, control (a), the same student on ground truth")
    assert ("explain" in sentence) == explains


def fit(strength: float, at_edge: bool = True, grid: tuple[float, ...] | None = (0.01, 0.1, 1.0)) -> dict:
    """Return what a probe's fit says about its penalty."""
    return {"strength": strength, "strength_at_edge": at_edge} | ({"strength_grid": list(grid)} if grid else {})


def test_the_warning_of_a_penalty_at_the_edge_says_value_side_and_how_to_go_on():
    fits = {"w0-s0-naive": [fit(0.01), fit(0.01), fit(0.1, False), fit(1.0)], "w0": [fit(0.1, False)]}
    low, high = [one["text"] for one in warnings([], "accuracy", fits, (), 1000, 5)]
    assert "chosen by 2 of 4 fits, 0.01, is the smallest of the 3 values tried, 0.01 to 1," in low
    assert "a better one may lie below it" in low
    assert "fit: {kind: probe, strengths: [0.001, 0.003, 0.01, 0.1, 1]}" in low
    assert "chosen by 1 of 4 fits, 1, is the largest" in high
    assert "fit: {kind: probe, strengths: [0.01, 0.1, 1, 3, 10]}" in high
    assert not any(text.count("[") > 1 for text in (low, high))


def test_a_fit_that_did_not_converge_makes_curvature_a_suspect():
    fits = {"w0-s0-own": [{"converged": True}, {"converged": False}], "w0-s0-naive": [{"converged": True}], "w0": [{}]}
    (found,) = warnings([], "accuracy", fits, (), 1000, 5)
    assert (found["code"], found["row"]) == ("not_converged", "w0-s0-own")
    assert "raise max_steps or the penalty" in found["text"] and "suspect `curvature` first" in found["text"]


def test_the_warning_stands_where_the_grid_is_not_known():
    (text,) = edge_warnings([fit(0.00001, grid=None)])
    assert "the fit, 0.00001, is the smallest or the largest of the values tried" in text
    assert "strengths" in text


@pytest.mark.parametrize(
    ("strength", "grid"), [(1e-6, (1e-6, 0.1)), (0.001, (0.001, 10.0)), (10.0, (0.001, 10.0)), (0.3, (0.1, 0.3))]
)
def test_the_list_that_is_proposed_can_be_pasted_into_an_experiment(strength: float, grid, tmp_path):
    (text,) = edge_warnings([fit(strength, grid=grid)])
    values = {
        "name": "pasted",
        "task": {"kind": "synthetic", "supervisor": 20, "transfer": 20, "test": 20},
        "weak": [{"model": "w", **yaml.safe_load(text.split("write ")[1].rstrip("."))}],
        "strong": ["s"],
        "methods": ["naive"],
    }
    pasted = parse(values, tmp_path).weak[0].fit.strengths
    assert list(pasted) == wider(grid, strength)
    assert len(pasted) == 4
    assert (min(pasted), max(pasted)) != (min(grid), max(grid))
