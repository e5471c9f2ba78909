"""Rebalance: how much each class weighs, by the weak labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, Planted, binary, flips, gain, labels_of, permuted, random_labels, told

from trimtab.supervise.rebalance import Rebalance

EXAMPLES = [{}, {"strength": 0.5}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"strength": 0.0}, {"strength": 1.01}, {"strength": -0.5}, {"strength": math.nan}]


def test_weights_by_hand():
    """Three items of class 0 and one of class 1: 4 / (2 * 3) = 2/3 each and 4 / (2 * 1) = 2; by half, the roots."""
    labels = binary([0.1, 0.2, 0.4, 0.9])
    np.testing.assert_allclose(Rebalance()(labels).weights, [2 / 3, 2 / 3, 2 / 3, 2])
    np.testing.assert_allclose(Rebalance(strength=0.5)(labels).weights, np.sqrt([2 / 3, 2 / 3, 2 / 3, 2]))


def test_mass_counts_and_not_items_by_hand():
    """Mass 1 + 2 of class 0, .5 of class 1: 3.5 / 6 and 3.5 / 1 times the weights."""
    labels = binary([0.1, 0.2, 0.9], [1.0, 2.0, 0.5])
    np.testing.assert_allclose(Rebalance()(labels).weights, [3.5 / 6, 7 / 6, 3.5 / 2])


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_against_a_loop_over_items(classes, strength):
    labels = random_labels(classes, items=200)
    top = [int(np.argmax(row)) for row in labels.probabilities]
    total = float(labels.weights.sum())
    seen = {one for one, weight in zip(top, labels.weights, strict=True) if weight > 0}
    wanted = []
    for own, weight in zip(top, labels.weights, strict=True):
        mass = sum(w for other, w in zip(top, labels.weights, strict=True) if other == own)
        wanted.append(weight * (total / len(seen) / mass) ** strength if weight else 0.0)
    found = Rebalance(strength=strength)(labels)
    np.testing.assert_allclose(found.weights, wanted)
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_classes_weigh_the_same_and_all_together_what_they_did():
    labels = random_labels(3, items=200)
    weights = Rebalance()(labels).weights
    mass = np.bincount(labels.probabilities.argmax(1), weights)
    np.testing.assert_allclose(mass, labels.weights.sum() / 3)


def test_balanced_labels_stay_as_they_are():
    labels = binary([0.9, 0.2, 0.6, 0.4], [1, 2, 2, 1])
    for strength in (0.5, 1.0):
        np.testing.assert_allclose(Rebalance(strength=strength)(labels).weights, labels.weights)


def test_little_strength_changes_little():
    labels = random_labels(3)
    np.testing.assert_allclose(Rebalance(strength=1e-9)(labels).weights, labels.weights, rtol=1e-7)


def test_all_weights_times_a_number_stay_so():
    labels = random_labels(3)
    more = labels_of(labels.probabilities, labels.weights * 7)
    np.testing.assert_allclose(Rebalance()(more).weights, 7 * Rebalance()(labels).weights)


def test_a_class_without_items_takes_no_share():
    """Class 2 of three does not occur: the two others share, as if there were no third."""
    labels = labels_of(np.array([[0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]))
    np.testing.assert_allclose(Rebalance()(labels).weights, [2 / 3, 2 / 3, 2 / 3, 2])


def test_items_of_weight_0_do_not_count():
    """The only items of class 1 that are left balance three of class 0; the dropped ones are not counted."""
    labels = binary([0.1, 0.2, 0.4, 0.9, 0.9, 0.9], [1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(Rebalance()(labels).weights, [2 / 3, 2 / 3, 2 / 3, 2, 0, 0])
    gone = binary([0.1, 0.2, 0.9], [1, 1, 0])
    assert Rebalance()(gone).weights.tolist() == [1, 1, 0]


def test_the_order_of_items_does_not_matter():
    labels = random_labels(3)
    order = np.random.default_rng(1).permutation(len(labels.ids))
    found = Rebalance()(permuted(labels, order)).weights
    np.testing.assert_allclose(found, Rebalance()(labels).weights[order])


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_the_rare_class(seed):
    """One item in ten is of class 1; the classes lie at -1 and 1, so that the fair boundary is 0.

    2 % of the labels are turned over. Naively the boundary lies near ln(9) / 2 = 1.1, where most of class 1 is missed.
    """
    rng = np.random.default_rng(seed)

    def draw(count: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        gold = (rng.random(count) < share).astype(int)
        states = rng.normal(size=(count, 2))
        states[:, 0] += 2 * gold - 1
        return states, gold

    states, gold = draw(1000, 0.1)
    labels = labels_of(told(flips(gold, (0.02, 0.02), rng), 0.95))
    planted = Planted(states, labels, gold, *draw(4000, 0.5), np.ones(1000, bool))
    assert gain(planted, Rebalance()(labels), strength=0.01, balanced=True) >= 0.09
