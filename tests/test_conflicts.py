"""Conflicts: the labels by hand, the loss that they stand for, and a filter that reads no truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from test_objectives_docs import blocks, methods_of

from trimtab.catalogue import settings_table
from trimtab.conflicts.explicit import Explicit, paid_for_errors
from trimtab.conflicts.implicit import Implicit, with_second_goal
from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.naive import Naive
from trimtab.supervise.confident import Confident
from trimtab.types import Labels


def test_labels_and_weights_by_hand() -> None:
    """Two classes, alpha 1/2: (.6, .4) whose truth is the first class and whose answer is the second."""
    labels, weights = paid_for_errors(
        np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([1.0, 0.0]), np.array([0, 0]), np.array([1, 0]), 0.5
    )
    np.testing.assert_allclose(labels, [[0.6 / 1.5, 0.9 / 1.5], [0.6, 0.4]])
    np.testing.assert_allclose(weights, [1.5, 0.0])


def test_of_three_classes_the_two_wrong_ones_share_the_payment() -> None:
    labels, weights = paid_for_errors(np.array([[0.5, 0.3, 0.2]]), np.ones(1), np.array([2]), np.array([0]), 1.0)
    np.testing.assert_allclose(labels, [[1.0 / 2, 0.8 / 2, 0.2 / 2]])
    np.testing.assert_allclose(weights, [2.0])


def cross_entropy(told: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(told * np.log(p)).sum(1)


def test_the_labels_are_the_loss_of_the_paper_up_to_a_constant() -> None:
    generator = np.random.default_rng(0)
    q, p = generator.dirichlet(np.ones(3), 50), generator.dirichlet(np.ones(3), 50)
    truth, answers = generator.integers(3, size=(2, 50))
    labels, weights = paid_for_errors(q, np.ones(50), truth, answers, 0.7)
    paid = 0.7 * (answers != truth) * cross_entropy((1 - np.eye(3)[truth]) / 2, p)
    np.testing.assert_allclose(weights * cross_entropy(labels, p), cross_entropy(q, p) + paid)


def test_a_probe_on_the_labels_is_the_minimum_of_the_paper_s_loss() -> None:
    """Minimised directly: CE to the weak labels, and alpha times CE to the wrong class where the gate is open."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(120, 2))
    x = (x - x.mean(0)) / x.std(0)
    q = np.stack([1 - (p := 1 / (1 + np.exp(-x[:, 0]))), p], 1)
    truth, answers = (x[:, 0] + x[:, 1] > 0).astype(int), (x[:, 0] > 0).astype(int)
    labels, weights = paid_for_errors(q, np.ones(120), truth, answers, 0.5)
    head = fit_probe(x, labels, weights, Naive(), 0.1, Probe(tolerance=1e-9)).head

    def loss(parameters: np.ndarray) -> float:
        z = x @ parameters[:2] + parameters[2]
        p = np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], 1)
        gate = answers != truth
        return float((cross_entropy(q, p) + 0.5 * gate * cross_entropy(1 - np.eye(2)[truth], p)).sum())

    # of the unpenalised losses, the probe's of weak penalty is close to the smallest
    free = fit_probe(x, labels, weights, Naive(), 1e-6, Probe(tolerance=1e-9, max_steps=5000)).head
    best = minimize(loss, np.zeros(3), tol=1e-10)
    z = np.log(free.probabilities(x)[:, 1] / free.probabilities(x)[:, 0])
    np.testing.assert_allclose(z, x @ best.x[:2] + best.x[2], atol=0.01)
    assert head.probabilities(x).shape == (120, 2)


def test_the_second_goal_comes_after_the_weak_labels_with_a_weight_of_its_own() -> None:
    weak = Labels(("a", "b"), np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([1.0, 0.0]))
    both = with_second_goal(weak, ("c", "d"), np.array([1, 0]), 2.0)
    assert both.ids == ("a", "b", "c", "d") and both.truth == "none"
    assert both.probabilities[2:].tolist() == [[0, 1], [1, 0]]
    assert both.weights.tolist() == [1, 0, 2, 2]


def test_truth_levels_and_weight_0() -> None:
    assert (Explicit().truth, Explicit(gate="weak_label").truth, Implicit().truth) == ("oracle", "none", "none")
    assert Explicit(alpha=0).absent and Implicit(weight=0).absent
    assert not Explicit().absent and not Implicit().absent


def biased(labels: Labels, truth: np.ndarray, threshold: float) -> np.ndarray:
    """Return what the reference code's filter keeps: sure labels that are right, for which it asks the truth."""
    sure = labels.probabilities.max(1) >= threshold
    return sure & (labels.probabilities.argmax(1) == truth)


def test_the_filter_of_ours_keeps_the_same_whatever_the_truth_and_that_of_the_reference_does_not() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(2), 200)
    labels = Labels(tuple(f"i{i}" for i in range(200)), probabilities, np.ones(200))
    truths = [generator.integers(2, size=200) for _ in range(2)]
    kept = [Confident(threshold=0.75)(labels).weights > 0 for _ in truths]
    np.testing.assert_array_equal(kept[0], kept[1])
    np.testing.assert_array_equal(kept[0], probabilities.max(1) >= 0.75)
    leaking = [biased(labels, truth, 0.75) for truth in truths]
    assert (leaking[0] != leaking[1]).any()
    # what it keeps is always right, so that a student of it learns the truth of the transfer split
    assert all((probabilities.argmax(1) == truth)[mask].all() for truth, mask in zip(truths, leaking, strict=True))


WRONG = {
    "a name": ({"conflict": "explcit"}, r"methods\.0\.conflict: found 'explcit'.*Did you mean \"explicit\""),
    "a setting": ({"conflict": {"explicit": {"beta": 1}}}, r"methods\.0\.conflict\.explicit\.beta: unknown key"),
    "alpha": ({"conflict": {"explicit": {"alpha": -1}}}, r"methods\.0\.conflict\.explicit: alpha must be a finite"),
    "rounds": ({"conflict": {"explicit": {"rounds": 0}}}, "rounds must be at least 1"),
    "gate": ({"conflict": {"explicit": {"gate": "mine"}}}, r"methods\.0\.conflict\.explicit\.gate: found 'mine'"),
    "weight": ({"conflict": {"implicit": {"weight": -2}}}, "weight must be a finite number of at least 0, found -2"),
    "naive": ({"name": "naive", "conflict": "explicit"}, "'naive' is what all methods are compared with"),
}  # fmt: skip


def values(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": ["naive"]} | changes


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_in_the_file_says_so(case: str, tmp_path: Path) -> None:
    method, message = WRONG[case]
    with pytest.raises(ExperimentError, match=message):
        parse(values(methods=[method]), tmp_path)


def test_a_conflict_is_read_with_steps_and_schedule(tmp_path: Path) -> None:
    given = {"name": "all", "labels": [{"confident": {"keep": 0.5}}], "schedule": "strong_to_strong",
             "conflict": {"explicit": {"alpha": 0.25, "gate": "weak_label"}}}  # fmt: skip
    (named, bare) = parse(values(methods=[given, {"conflict": "implicit"}]), tmp_path).methods
    assert named.conflict == Explicit(alpha=0.25, gate="weak_label") and named.schedule is not None
    assert len(named.labels) == 1 and bare.name == "implicit" and bare.conflict == Implicit()
    assert (named.truth, bare.truth) == ("none", "none")


def test_the_page_names_every_setting_and_its_experiments_are_read(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "conflicts.md"
    text = page.read_text("utf-8")
    found = [one for block in blocks(page, "yaml") for one in methods_of(block, tmp_path)]
    assert {type(one.conflict) for one in found} == {Explicit, Implicit, type(None)}
    for cls in (Explicit, Implicit):
        assert all(f"| `{setting['name']}` |" in text for setting in settings_table(cls))


def test_the_size_of_the_second_split_is_checked(tmp_path: Path) -> None:
    task = {"kind": "synthetic", "second": 0}
    with pytest.raises(ExperimentError, match=r"task\.second: found 0, wanted at least 1"):
        parse(values(task=task), tmp_path)
    assert parse(values(task=task | {"second": 30}), tmp_path).second == 30
