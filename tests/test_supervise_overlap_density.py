"""Overlap density: change points, cosines, the order in which items are kept, and equal certainty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, Planted, binary, gain, labels_of, permuted, random_labels, told

from trimtab.errors import FitError
from trimtab.supervise.overlap_density import OverlapDensity, change_point, overlap_score
from trimtab.types import Evidence, Labels

EXAMPLES = [{}, {"keep": 0.2}, {"keep": 0.8}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"keep": 0.0}, {"keep": 1.01}, {"keep": -0.5}, {"keep": math.nan}]


def case(classes: int = 3, items: int = 60) -> tuple[Labels, np.ndarray]:
    """Return random labels and activations."""
    return random_labels(classes, items), np.random.default_rng([classes, 9]).normal(size=(items, 4)) + 1


def kept(step: OverlapDensity, labels: Labels, states: np.ndarray) -> np.ndarray:
    return step(labels, Evidence(student_states=states)).weights


@pytest.mark.parametrize(("keep", "wanted"), [(0.3, [0, 1, 0]), (0.6, [0, 1, 1]), (1.0, [1, 1, 1])])
def test_order_by_hand(keep, wanted):
    """At 1, 2 and -3 (mean 0), the first one hard: the second points its way, the third away from it.

    Kept are the second, then the third, and the hard one last.
    """
    labels = binary([0.52, 0.95, 0.05])
    assert kept(OverlapDensity(keep=keep), labels, np.array([[1.0], [2.0], [-3.0]])).tolist() == wanted


def test_hard_items_come_back_the_surest_first_by_hand():
    labels = binary([0.52, 0.55, 0.95, 0.05, 0.53])
    states = np.random.default_rng(0).normal(size=(5, 2))
    assert kept(OverlapDensity(keep=0.6), labels, states).tolist() == [0, 1, 1, 1, 0]
    assert kept(OverlapDensity(keep=0.8), labels, states).tolist() == [0, 1, 1, 1, 1]


def test_cosines_by_hand():
    """Centred: (2, 0), (0, 2), (-1, -1), (-1, -1); the hard one is the first: cosines 1, 0 and twice -1/sqrt 2."""
    states = np.array([[3.0, 1.0], [1.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    found = overlap_score(states, np.array([True, False, False, False]))
    np.testing.assert_allclose(found, [1, 0, -math.sqrt(0.5), -math.sqrt(0.5)], atol=1e-12)


def test_an_item_at_the_mean_has_no_direction():
    found = overlap_score(np.array([[1.0], [0.0], [-1.0]]), np.array([True, False, False]))
    np.testing.assert_allclose(found, [1, 0, -1])


@pytest.mark.parametrize("seed", range(5))
def test_change_point_against_all_splits(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, 20), rng.normal(4, 0.5, 15)])
    ranked = sorted(values.tolist())

    def spread(cut: int) -> float:
        return cut * float(np.var(ranked[:cut])) + (len(ranked) - cut) * float(np.var(ranked[cut:]))

    best = min(range(1, len(ranked)), key=spread)
    assert change_point(values) == pytest.approx((ranked[best - 1] + ranked[best]) / 2)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_against_a_loop_over_items(classes, keep):
    labels, states = case(classes)
    present = [i for i, weight in enumerate(labels.weights) if weight > 0]
    sure = {i: (classes * float(labels.probabilities[i].max()) - 1) / (classes - 1) for i in present}
    cut = change_point(np.array(list(sure.values())))
    hard = [i for i in present if sure[i] < cut]
    moved = {i: states[i] - states[present].mean(0) for i in present}

    def score(i: int) -> float:
        return max(float(moved[i] @ moved[j] / np.sqrt((moved[i] @ moved[i]) * (moved[j] @ moved[j]))) for j in hard)

    easy = sorted((i for i in present if i not in hard), key=score, reverse=True)
    ranked = easy + sorted(hard, key=lambda i: -sure[i])
    wanted = ranked[: math.ceil(keep * len(present) - 1e-9)]
    found = OverlapDensity(keep=keep)(labels, Evidence(student_states=states))
    assert {int(i) for i in np.flatnonzero(found.weights)} == set(wanted)
    assert np.array_equal(found.weights[wanted], labels.weights[wanted])
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_keep_all_changes_nothing():
    labels, states = case()
    assert np.array_equal(kept(OverlapDensity(keep=1.0), labels, states), labels.weights)


@pytest.mark.parametrize(("keep", "count"), [(0.5, 5), (0.45, 5), (0.07, 1), (0.7, 7), (0.999, 10)])
def test_share_is_rounded_up(keep, count):
    labels = binary(np.linspace(0.5, 0.99, 10))
    states = np.random.default_rng(0).normal(size=(10, 3))
    assert (kept(OverlapDensity(keep=keep), labels, states) > 0).sum() == count


def test_moving_turning_and_scaling_all_states_changes_nothing():
    labels, states = case()
    turned = states @ np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0] * 30 - 11
    assert np.array_equal(kept(OverlapDensity(), labels, turned), kept(OverlapDensity(), labels, states))


def test_items_of_weight_0_have_no_part():
    labels, states = case()
    present = np.flatnonzero(labels.weights > 0)
    found = kept(OverlapDensity(), labels, states)
    assert (found[labels.weights == 0] == 0).all()
    assert np.array_equal(found[present], kept(OverlapDensity(), permuted(labels, present), states[present]))


def test_equal_certainty_is_an_error():
    states = np.random.default_rng(0).normal(size=(4, 2))
    with pytest.raises(FitError, match="equally sure of all items"):
        kept(OverlapDensity(), binary([0.9, 0.1, 0.9, 0.1]), states)
    with pytest.raises(FitError, match="equally sure of all items"):
        kept(OverlapDensity(), binary([0.9, 0.1, 0.9, 0.6], [1, 1, 1, 0]), states)


def test_the_order_of_items_does_not_matter():
    labels, states = case()
    order = np.random.default_rng(1).permutation(60)
    found = kept(OverlapDensity(), permuted(labels, order), states[order])
    assert np.array_equal(found, kept(OverlapDensity(), labels, states)[order])


def shortcut(seed: int, items: int = 1000) -> Planted:
    """Return items of which the supervisor reads the second feature only, and fresh ones where it says nothing.

    The second feature is the class in eight of ten items, the first one in five of ten: half of the items show the
    second only (easy), three of ten both (overlap), two of ten the first only (hard: the label is noise around 1/2).
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(["easy", "overlap", "hard"], items, p=[0.5, 0.3, 0.2])
    gold = rng.integers(0, 2, items)
    side = 2 * gold - 1
    states = 0.3 * rng.normal(size=(items, 2))
    states[:, 0] += np.where(kind == "easy", 0, 2 * side)
    states[:, 1] += np.where(kind == "hard", 0, 2 * side)
    noise = 0.5 + 0.03 * rng.normal(size=items)
    positive = np.where(kind == "hard", noise, told(gold, 0.95 + 0.02 * rng.random(items))[:, 1])
    fresh_gold = rng.integers(0, 2, 4000)
    fresh = rng.normal(size=(4000, 2))
    fresh[:, 0] += 2 * (2 * fresh_gold - 1)
    fresh[:, 1] *= 2
    labels = labels_of(np.stack([1 - positive, positive], -1))
    return Planted(states, labels, gold, fresh, fresh_gold, kind == "overlap")


@pytest.mark.parametrize("seed", SEEDS)
def test_finds_the_planted_overlap_and_helps_where_the_shortcut_says_nothing(seed):
    """A student of all items leans on the shortcut; one of the overlap learns both features alike."""
    planted = shortcut(seed)
    after = OverlapDensity(keep=0.3)(planted.labels, Evidence(student_states=planted.states))
    assert planted.honest[after.weights > 0].mean() > 0.85
    assert gain(planted, after) >= 0.1
