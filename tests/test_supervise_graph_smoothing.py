"""Graph smoothing: rounds by hand, their limit, and who has a part in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, binary, clustered, gain, labels_of, permuted, random_labels

from trimtab.errors import FitError
from trimtab.supervise.graph_smoothing import GraphSmoothing
from trimtab.types import Evidence, Labels

EXAMPLES = [{}, {"neighbours": 3}, {"alpha": 0.9}, {"rounds": 1}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [
    {"neighbours": 0},
    {"neighbours": -1},
    {"alpha": -0.1},
    {"alpha": 1.01},
    {"alpha": math.nan},
    {"rounds": 0},
]


def case(classes: int = 3, items: int = 60) -> tuple[Labels, np.ndarray]:
    """Return random labels and activations."""
    return random_labels(classes, items), np.random.default_rng([classes, 3]).normal(size=(items, 4))


def smoothed(step: GraphSmoothing, labels: Labels, states: np.ndarray) -> np.ndarray:
    return step(labels, Evidence(student_states=states)).probabilities


@pytest.mark.parametrize(("rounds", "wanted"), [(1, [0.5, 0.5, 0]), (2, [0.75, 0.25, 0.25])])
def test_rounds_on_a_line_by_hand(rounds, wanted):
    """At 0, 1 and 3 the nearest are the second, the first and the second; labels 1, 0, 0, half from the neighbour.

    First round: (1 + 0) / 2, (0 + 1) / 2, (0 + 0) / 2. Second: (1 + 1/2) / 2, (0 + 1/2) / 2, (0 + 1/2) / 2.
    """
    step = GraphSmoothing(neighbours=1, alpha=0.5, rounds=rounds)
    found = smoothed(step, binary([1, 0, 0]), np.array([[0.0], [1.0], [3.0]]))
    np.testing.assert_allclose(found[:, 1], wanted)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(("k", "alpha", "rounds"), [(1, 0.3, 1), (4, 0.5, 5), (10, 1.0, 2)])
def test_against_a_matrix_of_neighbours(classes, k, alpha, rounds):
    labels, states = case(classes)
    present = [i for i, weight in enumerate(labels.weights) if weight > 0]
    scaled = (states[present] - states[present].mean(0)) / states[present].std(0)
    mixing = np.zeros((len(present), len(present)))
    for i, one in enumerate(scaled):
        away = np.linalg.norm(scaled - one, axis=1)
        away[i] = np.inf
        mixing[i, np.argsort(away)[:k]] = 1 / k
    own = labels.probabilities[present]
    wanted = sum(((1 - alpha) * alpha**t * np.linalg.matrix_power(mixing, t) @ own for t in range(rounds)), 0.0)
    wanted = wanted + alpha**rounds * np.linalg.matrix_power(mixing, rounds) @ own
    found = smoothed(GraphSmoothing(neighbours=k, alpha=alpha, rounds=rounds), labels, states)
    np.testing.assert_allclose(found[present], wanted, atol=1e-12)


def test_many_rounds_solve_the_linear_system():
    """Zhou et al.: F = (1 - a) (I - a S)^-1 Y."""
    labels, states = case(3)
    labels = labels_of(labels.probabilities)
    ways = smoothed(GraphSmoothing(neighbours=5, alpha=1.0, rounds=1), labels_of(np.eye(60)), states)
    wanted = 0.2 * np.linalg.solve(np.eye(60) - 0.8 * ways, labels.probabilities)
    found = smoothed(GraphSmoothing(neighbours=5, alpha=0.8, rounds=200), labels, states)
    np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_alpha_0_changes_nothing():
    labels, states = case()
    assert np.array_equal(smoothed(GraphSmoothing(alpha=0.0), labels, states), labels.probabilities)


def test_equal_labels_stay_equal():
    _, states = case()
    labels = labels_of(np.tile([0.2, 0.3, 0.5], (60, 1)))
    np.testing.assert_allclose(smoothed(GraphSmoothing(), labels, states), labels.probabilities)


def test_all_neighbours_and_full_alpha_give_the_mean_of_the_others():
    labels = binary([1, 0, 0, 1, 1])
    states = np.random.default_rng(0).normal(size=(5, 2))
    found = smoothed(GraphSmoothing(neighbours=4, alpha=1.0, rounds=1), labels, states)
    np.testing.assert_allclose(found[:, 1], [0.5, 0.75, 0.75, 0.5, 0.5])


def test_scale_and_place_of_each_feature_do_not_matter():
    labels, states = case()
    moved = states * [0.01, 1, 7, 1000] + [5, 0, -3, 1]
    np.testing.assert_allclose(
        smoothed(GraphSmoothing(), labels, moved), smoothed(GraphSmoothing(), labels, states), atol=1e-12
    )


def test_items_of_weight_0_neither_give_nor_receive():
    labels, states = case()
    present = labels.weights > 0
    found = smoothed(GraphSmoothing(), labels, states)
    assert np.array_equal(found[~present], labels.probabilities[~present])
    alone = smoothed(GraphSmoothing(), labels_of(labels.probabilities[present]), states[present])
    np.testing.assert_allclose(found[present], alone)
    wild = np.where(present[:, None], states, 1e6)
    np.testing.assert_allclose(smoothed(GraphSmoothing(), labels, wild), found)
    assert np.array_equal(GraphSmoothing()(labels, Evidence(student_states=states)).weights, labels.weights)


def test_too_few_items_are_an_error():
    with pytest.raises(FitError, match="10 neighbours cannot be found among 10 items"):
        smoothed(GraphSmoothing(), binary([0.5] * 10), np.zeros((10, 2)))
    with pytest.raises(FitError, match="2 neighbours cannot be found among 2 items"):
        smoothed(GraphSmoothing(neighbours=2), binary([0.5] * 3, [1, 1, 0]), np.zeros((3, 2)))


def test_the_order_of_items_does_not_matter():
    labels, states = case()
    order = np.random.default_rng(1).permutation(60)
    found = smoothed(GraphSmoothing(), permuted(labels, order), states[order])
    np.testing.assert_allclose(found, smoothed(GraphSmoothing(), labels, states)[order], atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_against_random_errors_among_lookalikes(seed):
    """20 clusters of one class each in 50 directions; 35 in 100 labels are turned over, whatever the item."""
    planted = clustered(seed, clusters=20, rates=(0.35, 0.35), items=300, hidden=50)
    after = GraphSmoothing(alpha=0.9)(planted.labels, Evidence(student_states=planted.states))
    assert gain(planted, after, strength=1e-3) >= 0.04
