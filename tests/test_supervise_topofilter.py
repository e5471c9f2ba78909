"""TopoFilter: hearts of classes by hand and by reachability, outliers, and what is too little."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, binary, clustered, gain, labels_of, permuted, random_labels

from trimtab.errors import FitError
from trimtab.supervise.neighbours import nearest
from trimtab.supervise.topofilter import TopoFilter, hearts, surprise
from trimtab.types import Evidence, Labels

EXAMPLES = [{}, {"neighbours": 8}, {"outlier_neighbours": 5}, {"contamination": 0.3}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [
    {"neighbours": 0},
    {"outlier_neighbours": 0},
    {"neighbours": -2},
    {"contamination": -0.1},
    {"contamination": 1.0},
    {"contamination": math.nan},
]


def case(classes: int = 3, items: int = 90) -> tuple[Labels, np.ndarray]:
    """Return random labels and activations that follow them a little."""
    labels = random_labels(classes, items)
    noise = np.random.default_rng([classes, 4]).normal(size=(items, 4))
    noise[:, 0] += 2 * labels.probabilities[:, 0]
    return labels, noise


def kept(step: TopoFilter, labels: Labels, states: np.ndarray) -> np.ndarray:
    return step(labels, Evidence(student_states=states)).weights


def test_an_item_among_another_class_is_left_out_by_hand():
    """Of class 0 at 0, .1, .2 and 10 the last has two items of class 1 nearest, and so no edge.

    Those of class 1, at 10.1, 10.2 and 10.3, are linked through the middle one.
    """
    states = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2], [10.3]])
    labels = binary([0.1, 0.2, 0.1, 0.3, 0.9, 0.8, 0.7])
    step = TopoFilter(neighbours=2, contamination=0.0)
    assert kept(step, labels, states).tolist() == [1, 1, 1, 0, 1, 1, 1]


def test_components_by_hand():
    """Of one class: 0 and 1 point at each other, 2 at them, 3 to 5 in a circle, which is the largest.

    Where 5 is of another class the circle is broken, and 5 stays as all there is of its own.
    """
    neighbours = np.array([[1], [0], [0], [4], [5], [3]])
    assert hearts(neighbours, np.zeros(6, dtype=int)).tolist() == [0, 0, 0, 1, 1, 1]
    assert hearts(neighbours, np.array([0, 0, 0, 0, 0, 1])).tolist() == [1, 1, 0, 0, 0, 1]


def test_of_equal_components_the_one_of_the_earliest_item_wins():
    one = np.zeros(4, dtype=int)
    assert hearts(np.array([[3], [2], [1], [0]]), one).tolist() == [1, 0, 0, 1]
    assert hearts(np.array([[1], [0], [3], [2]]), one).tolist() == [1, 1, 0, 0]


def test_surprise_by_hand():
    """Labels 1, 1, 0, each beside the two others: |1 - 1/2|, |1 - 1/2| and |0 - 1|."""
    neighbours = np.array([[1, 2], [0, 2], [0, 1]])
    np.testing.assert_allclose(surprise(binary([1, 1, 0]).probabilities, neighbours), [0.5, 0.5, 1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 8])
def test_components_against_reachability(seed, k):
    rng = np.random.default_rng(seed)
    found, answers = nearest(rng.normal(size=(40, 2)), k), rng.integers(0, 3, 40)
    reach = np.eye(40, dtype=bool)
    for i, row in enumerate(found):
        reach[i, row] = answers[row] == answers[i]
    for middle in range(40):
        reach |= reach[:, [middle]] & reach[[middle], :]
    mutual = reach & reach.T
    wanted = np.zeros(40, dtype=bool)
    for c in range(3):
        wanted |= mutual[int(np.argmax(np.where(answers == c, mutual.sum(1), 0)))]
    assert np.array_equal(hearts(found, answers), wanted)


@pytest.mark.parametrize(("k", "near", "contamination"), [(12, 5, 0.4), (50, 50, 0.1), (12, 50, 0.0)])
def test_against_a_loop_over_items(k, near, contamination):
    labels, states = case()
    present = [i for i in range(90) if labels.weights[i] > 0]
    scaled = {i: (states[i] - states[present].mean(0)) / states[present].std(0) for i in present}
    answer = {i: int(labels.probabilities[i].argmax()) for i in present}

    def close(i: int, others: list[int], count: int) -> list[int]:
        return sorted((j for j in others if j != i), key=lambda j: float(((scaled[i] - scaled[j]) ** 2).sum()))[:count]

    ways = {i: {j for j in close(i, present, k) if answer[j] == answer[i]} for i in present}
    reached = {}
    for i in present:
        reached[i], todo = {i}, [i]
        while todo:
            new = ways[todo.pop()] - reached[i]
            reached[i] |= new
            todo += new
    left: list[int] = []
    for c in range(3):
        components = [{j for j in reached[i] if i in reached[j]} for i in present if answer[i] == c]
        left += max(components, key=len)
    left.sort()
    odd = {}
    for i in left:
        mean = np.mean([labels.probabilities[j] for j in close(i, left, min(near, len(left) - 1))], axis=0)
        odd[i] = float(np.abs(labels.probabilities[i] - mean).sum())
    stay = min(len(left), len(present) - math.floor(contamination * len(present)))
    stays = sorted(left, key=lambda i: odd[i])[:stay]
    step = TopoFilter(neighbours=k, outlier_neighbours=near, contamination=contamination)
    found = step(labels, Evidence(student_states=states))
    assert {int(i) for i in np.flatnonzero(found.weights)} == set(stays)
    assert np.array_equal(found.weights[stays], labels.weights[stays])
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_all_neighbours_and_no_outliers_change_nothing():
    labels, states = case()
    step = TopoFilter(neighbours=50, contamination=0.0)
    assert np.array_equal(kept(step, labels, states), labels.weights)


@pytest.mark.parametrize(("contamination", "dropped"), [(0.1, 10), (0.29, 29), (0.07, 7), (0.005, 0), (0.999, 99)])
def test_share_of_outliers_is_rounded_down(contamination, dropped):
    """0.29 * 100 is a little below 29 in binary floating point, and must stay 29; 99 of 100 leave one class only."""
    states = np.random.default_rng(0).normal(size=(100, 3))
    labels = binary(np.random.default_rng(1).random(100))
    step = TopoFilter(contamination=contamination)
    if dropped == 99:
        with pytest.raises(FitError, match="1 items of one class only are left"):
            kept(step, labels, states)
        return
    assert (kept(step, labels, states) == 0).sum() == dropped


def test_the_share_counts_what_the_components_left_out():
    """Ten items, one of them outside of the components: at .1 it is all that goes, at .3 two outliers go with it."""
    states = np.array([[0.0], [0.1], [0.2], [0.3], [10.0], [10.1], [10.2], [10.3], [10.4], [10.5]])
    labels = binary([0.1, 0.2, 0.1, 0.3, 0.3, 0.9, 0.8, 0.7, 0.9, 0.9])
    for contamination, count in ((0.0, 9), (0.1, 9), (0.3, 7)):
        found = kept(TopoFilter(neighbours=2, contamination=contamination), labels, states)
        assert (found > 0).sum() == count
        assert found[4] == 0


def test_a_class_of_one_item_is_its_own_heart():
    states = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    labels = labels_of(np.eye(3)[[0, 0, 0, 1, 1, 2]])
    assert kept(TopoFilter(neighbours=2, contamination=0.0), labels, states).tolist() == [1] * 6


def test_scale_and_place_of_each_feature_do_not_matter():
    labels, states = case()
    moved = states * [0.01, 1, 7, 1000] + [5, 0, -3, 1]
    step = TopoFilter(neighbours=12)
    assert np.array_equal(kept(step, labels, moved), kept(step, labels, states))


def test_items_of_weight_0_have_no_part():
    labels, states = case()
    present = np.flatnonzero(labels.weights > 0)
    step = TopoFilter(neighbours=12)
    found = kept(step, labels, states)
    assert (found[labels.weights == 0] == 0).all()
    assert np.array_equal(found[present], kept(step, permuted(labels, present), states[present]))


def test_one_class_only_is_an_error():
    states = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(FitError, match="9 items of one class only are left; use more neighbours"):
        kept(TopoFilter(neighbours=9), binary([0.1] * 10), states)


def test_too_few_items_are_an_error():
    states = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(FitError, match="50 neighbours cannot be found among 50 items"):
        kept(TopoFilter(), binary(np.linspace(0, 1, 50)), states)


def test_the_order_of_items_does_not_matter():
    labels, states = case()
    order = np.random.default_rng(1).permutation(90)
    step = TopoFilter(neighbours=12)
    assert np.array_equal(kept(step, permuted(labels, order), states[order]), kept(step, labels, states)[order])


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_against_random_errors_far_from_their_class(seed):
    """One cluster for each class in 50 directions; 30 in 100 labels are turned over, and lie in the other cluster."""
    planted = clustered(seed, clusters=2, rates=(0.3, 0.3), items=200, hidden=50, spread=0.7)
    after = TopoFilter(neighbours=10)(planted.labels, Evidence(student_states=planted.states))
    assert gain(planted, after, strength=1e-3) >= 0.1
