"""Certainty weights: from nothing at chance to all at certainty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, binary, gain, labels_of, misled, permuted, random_labels

from trimtab.errors import FitError
from trimtab.supervise.certainty_weights import CertaintyWeights, certainty_of
from trimtab.supervise.confident import Confident

EXAMPLES = [{}, {"power": 2.0}, {"power": 0.5}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"power": 0.0}, {"power": -1.0}, {"power": math.inf}, {"power": math.nan}]


def test_weights_by_hand():
    """.9 is .8 of the way from 1/2 to 1, whichever class it speaks for; .6 is .4 of the way from 1/3 to 1."""
    np.testing.assert_allclose(CertaintyWeights()(binary([0.9, 0.1, 0.5, 1.0])).weights, [0.8, 0.8, 0, 1])
    np.testing.assert_allclose(CertaintyWeights()(labels_of(np.array([[0.6, 0.3, 0.1]]))).weights, [0.4])
    np.testing.assert_allclose(CertaintyWeights(power=2)(binary([0.9, 0.75])).weights, [0.64, 0.25])


def test_two_classes_are_the_papers_sigmoid():
    """2 (sigmoid(|margin|) - 1/2), with the margin the log-odds."""
    labels = random_labels(2)
    margin = np.log(labels.probabilities[:, 1]) - np.log(labels.probabilities[:, 0])
    wanted = labels.weights * 2 * (1 / (1 + np.exp(-np.abs(margin))) - 0.5)
    np.testing.assert_allclose(CertaintyWeights()(labels).weights, wanted, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_against_a_loop_over_items(classes, power):
    labels = random_labels(classes)
    wanted = [
        weight * ((classes * max(row) - 1) / (classes - 1)) ** power
        for row, weight in zip(labels.probabilities.tolist(), labels.weights.tolist(), strict=True)
    ]
    found = CertaintyWeights(power=power)(labels)
    np.testing.assert_allclose(found.weights, wanted, atol=1e-12)
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_certain_labels_stay_as_they_are():
    labels = binary([1, 0, 1], [1.0, 0.5, 2.0])
    for power in (0.5, 1.0, 5.0):
        assert CertaintyWeights(power=power)(labels).weights.tolist() == [1, 0.5, 2]


def test_little_power_changes_nothing_but_chance_and_much_power_is_a_filter():
    labels = binary([0.999999, 0.9, 0.6, 0.5])
    np.testing.assert_allclose(CertaintyWeights(power=1e-9)(labels).weights, [1, 1, 1, 0], atol=1e-6)
    filtered = Confident(keep=0.25)(labels).weights
    np.testing.assert_allclose(CertaintyWeights(power=1000)(labels).weights, filtered, atol=0.01)


def test_even_labels_in_single_precision_are_at_chance():
    """1/25 in float32 lies a little below 1/25: the root of a negative number is none."""
    even = np.full((1, 25), np.float32(0.04)).astype(float)
    assert certainty_of(even)[0] >= 0
    found = CertaintyWeights(power=0.5)(labels_of(np.concatenate([even, np.eye(25)[:1]])))
    assert found.weights.tolist() == [0, 1]


def test_items_of_weight_0_stay_out():
    labels = binary([0.9, 0.99, 0.8], [1, 0, 0.5])
    np.testing.assert_allclose(CertaintyWeights()(labels).weights, [0.8, 0, 0.3])


def test_nothing_to_prefer_is_an_error():
    with pytest.raises(FitError, match="no weak label prefers any class"):
        CertaintyWeights()(binary([0.5, 0.5]))
    with pytest.raises(FitError, match="no weak label prefers any class"):
        CertaintyWeights()(binary([0.5, 0.9], [1, 0]))


def test_the_order_of_items_does_not_matter():
    labels = random_labels(3)
    order = np.random.default_rng(1).permutation(len(labels.ids))
    found = CertaintyWeights()(permuted(labels, order)).weights
    assert np.array_equal(found, CertaintyWeights()(labels).weights[order])


@pytest.mark.parametrize(("power", "margin"), [(1.0, 0.05), (3.0, 0.08)])
@pytest.mark.parametrize("seed", SEEDS)
def test_helps_where_the_unsure_are_wrong(seed, power, margin):
    """Three of ten labels are right, with .95; the others follow another feature, with .7."""
    planted = misled(seed, honest=0.3, sure=(0.95, 0.7))
    assert gain(planted, CertaintyWeights(power=power)(planted.labels), strength=1.0) >= margin
