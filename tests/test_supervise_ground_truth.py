"""Ground truth: which items are bought, what becomes of them, and a budget that is too large."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from planted_labels import SEEDS, binary, gain, labels_of, misled, permuted, random_labels

from trimtab.errors import FitError
from trimtab.supervise.ground_truth import STREAM, GroundTruth
from trimtab.types import Evidence, Labels

EXAMPLES = [{}, {"budget": 30}, {"choose": "least_certain"}, {"weight": 3.0}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [
    {"budget": 0},
    {"budget": -5},
    {"choose": "best"},
    {"weight": 0.0},
    {"weight": -1.0},
    {"weight": math.inf},
    {"weight": math.nan},
]


def shop(gold: np.ndarray, budget: int) -> tuple[Callable[[np.ndarray], np.ndarray], list[int]]:
    """Return a seller of the truth, and the list of what it has sold."""
    sold: list[int] = []

    def sell(rows: np.ndarray) -> np.ndarray:
        sold.extend(int(row) for row in rows)
        if len(sold) > budget:
            raise FitError(f"{len(sold)} items are more than the budget of {budget}")
        return gold[rows]

    return sell, sold


def bought(step: GroundTruth, labels: Labels, gold: np.ndarray, seed: int = 0) -> tuple[Labels, list[int]]:
    """Return the stepped labels and the rows that were bought."""
    sell, sold = shop(gold, step.budget)
    return step(labels, Evidence(gold=sell, seed=seed)), sorted(sold)


def test_the_least_certain_are_bought_by_hand():
    """.55 and .4 are nearest to 1/2; the truth is 0 and 1, and they count three times."""
    labels = binary([0.9, 0.55, 0.4, 0.1], [1, 1, 2, 1])
    step = GroundTruth(budget=2, choose="least_certain", weight=3.0)
    found, rows = bought(step, labels, np.array([0, 0, 1, 1]))
    assert rows == [1, 2]
    np.testing.assert_allclose(found.probabilities[:, 1], [0.9, 0, 1, 0.1])
    assert found.weights.tolist() == [1, 3, 6, 1]


def test_truth_is_the_budget():
    assert GroundTruth().truth == "budget(100)"
    assert GroundTruth(budget=7).truth == "budget(7)"


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("choose", ["random", "least_certain"])
def test_against_a_loop_over_items(classes, choose):
    labels = random_labels(classes)
    gold = np.random.default_rng(classes).integers(0, classes, 60)
    step = GroundTruth(budget=15, choose=choose, weight=2.0)
    found, rows = bought(step, labels, gold, seed=4)
    present = [i for i, weight in enumerate(labels.weights) if weight > 0]
    if choose == "random":
        names = sorted(labels.ids[i] for i in present)
        drawn = np.random.default_rng([4, STREAM]).permutation(len(names))[:15]
        wanted = sorted(labels.ids.index(names[i]) for i in drawn)
    else:
        wanted = sorted(sorted(present, key=lambda i: float(labels.probabilities[i].max()))[:15])
    assert rows == wanted
    for i in range(60):
        if i in wanted:
            assert found.probabilities[i].tolist() == [float(c == gold[i]) for c in range(classes)]
            assert found.weights[i] == 2 * labels.weights[i]
        else:
            assert np.array_equal(found.probabilities[i], labels.probabilities[i])
            assert found.weights[i] == labels.weights[i]


def test_buying_all_gives_the_truth_whatever_the_choice():
    labels = labels_of(random_labels(3).probabilities)
    gold = np.random.default_rng(0).integers(0, 3, 60)
    for choose in ("random", "least_certain"):
        found, rows = bought(GroundTruth(budget=60, choose=choose), labels, gold)
        assert rows == list(range(60))
        assert np.array_equal(found.probabilities, np.eye(3)[gold])
        assert np.array_equal(found.weights, labels.weights)


def test_labels_that_are_true_stay_as_they_are():
    gold = np.random.default_rng(0).integers(0, 3, 60)
    labels = labels_of(np.eye(3)[gold])
    found, _ = bought(GroundTruth(budget=20), labels, gold)
    assert np.array_equal(found.probabilities, labels.probabilities)
    assert np.array_equal(found.weights, labels.weights)


def test_another_seed_buys_other_items_and_every_item_has_its_turn():
    labels = labels_of(random_labels(2).probabilities)
    gold = np.zeros(60, dtype=int)
    counts = np.zeros(60)
    for seed in range(200):
        _, rows = bought(GroundTruth(budget=15), labels, gold, seed)
        counts[rows] += 1
    assert counts.sum() == 200 * 15
    # 50 on average with a deviation of 6
    assert counts.min() > 20
    assert counts.max() < 80
    least = [bought(GroundTruth(budget=15, choose="least_certain"), labels, gold, seed)[1] for seed in (0, 1)]
    assert least[0] == least[1]


def test_a_larger_budget_buys_what_a_smaller_one_did():
    labels = random_labels(3)
    gold = np.zeros(60, dtype=int)
    for choose in ("random", "least_certain"):
        few, many = (set(bought(GroundTruth(budget=n, choose=choose), labels, gold)[1]) for n in (5, 20))
        assert few < many


def test_items_of_weight_0_are_not_bought():
    labels = binary([0.5, 0.5, 0.9, 0.8], [0, 0, 1, 1])
    for choose in ("random", "least_certain"):
        found, rows = bought(GroundTruth(budget=2, choose=choose), labels, np.array([1, 1, 0, 0]))
        assert rows == [2, 3]
        assert found.weights.tolist() == [0, 0, 1, 1]
        np.testing.assert_allclose(found.probabilities[:2], 0.5)


def test_a_budget_beyond_the_items_is_an_error():
    labels = binary([0.5, 0.5, 0.9, 0.8], [0, 1, 1, 1])
    with pytest.raises(FitError, match="the budget is 4, but only 3 items are left to buy"):
        bought(GroundTruth(budget=4), labels, np.zeros(4, dtype=int))


@pytest.mark.parametrize("choose", ["random", "least_certain"])
def test_the_order_of_items_does_not_matter(choose):
    """The random choice goes by id."""
    labels = random_labels(3)
    gold = np.random.default_rng(0).integers(0, 3, 60)
    order = np.random.default_rng(1).permutation(60)
    step = GroundTruth(budget=15, choose=choose, weight=2.0)
    wanted, found = bought(step, labels, gold)[0], bought(step, permuted(labels, order), gold[order])[0]
    assert np.array_equal(found.probabilities, wanted.probabilities[order])
    assert np.array_equal(found.weights, wanted.weights[order])


@pytest.mark.parametrize("choose", ["random", "least_certain"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_budget_of_truth_helps_a_misled_student(seed, choose):
    """Three of ten labels tell the truth, with .8; the others follow another feature, with .75. 200 of 1,000 items are
    bought and count five times."""
    planted = misled(seed, honest=0.3, sure=(0.8, 0.75))
    step = GroundTruth(budget=200, choose=choose, weight=5.0)
    assert gain(planted, bought(step, planted.labels, planted.gold, seed)[0]) >= 0.12
