"""Temperature: powers of the weak probabilities, from one-hot to even."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, binary, gain, labels_of, misled, permuted, random_labels

from trimtab.supervise.temperature import Temperature, tempered

EXAMPLES = [{}, {"temperature": 2.0}, {"temperature": 0.1}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"temperature": 0.0}, {"temperature": -1.0}, {"temperature": math.inf}, {"temperature": math.nan}]


def test_sharpens_and_softens_by_hand():
    """Odds of .8 to .2 are 4: squared 16 to 1, so 16/17; the root is 2 to 1, so 2/3."""
    labels = binary([0.8, 0.2])
    np.testing.assert_allclose(Temperature(0.5)(labels).probabilities[:, 1], [16 / 17, 1 / 17], rtol=1e-14)
    np.testing.assert_allclose(Temperature(2.0)(labels).probabilities[:, 1], [2 / 3, 1 / 3], rtol=1e-14)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.7, 20.0])
def test_is_the_softmax_of_scaled_logarithms(classes, temperature):
    labels = random_labels(classes)
    logits = np.log(labels.probabilities) / temperature
    wanted = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    found = Temperature(temperature)(labels)
    np.testing.assert_allclose(found.probabilities, wanted, rtol=1e-10, atol=1e-300)
    assert np.array_equal(found.weights, labels.weights)


def test_one_changes_nothing():
    labels = random_labels(4)
    np.testing.assert_allclose(Temperature(1.0)(labels).probabilities, labels.probabilities, rtol=1e-14)


def test_limits_are_the_top_class_and_even_labels():
    labels = random_labels(3)
    top = np.eye(3)[labels.probabilities.argmax(1)]
    np.testing.assert_allclose(Temperature(1e-6)(labels).probabilities, top, atol=1e-12)
    np.testing.assert_allclose(Temperature(1e9)(labels).probabilities, 1 / 3, atol=1e-6)


def test_ties_stay_ties_and_what_is_excluded_stays_so():
    found = tempered(np.array([[0.4, 0.4, 0.2], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), 0.001)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0.5, 0.5, 0], [1, 0, 0]], atol=1e-15)


def test_many_classes_of_tiny_probability_stay_finite():
    probabilities = np.full((1, 5000), 1 / 5000)
    np.testing.assert_allclose(tempered(probabilities, 0.001), probabilities, rtol=1e-9)


def test_one_temperature_after_the_other_multiplies_them():
    labels = random_labels(5)
    twice = Temperature(0.5)(Temperature(3.0)(labels)).probabilities
    np.testing.assert_allclose(twice, Temperature(1.5)(labels).probabilities, rtol=1e-9)


def test_the_order_of_classes_by_probability_stays():
    labels = random_labels(6)
    for temperature in (0.3, 4.0):
        found = Temperature(temperature)(labels).probabilities
        assert np.array_equal(found.argsort(1), labels.probabilities.argsort(1))


def test_each_item_stands_alone():
    labels = random_labels(3)
    order = np.random.default_rng(1).permutation(len(labels.ids))
    found, step = Temperature()(labels), Temperature()
    np.testing.assert_allclose(step(permuted(labels, order)).probabilities, found.probabilities[order], rtol=1e-14)
    dropped = labels.weights == 0
    assert dropped.any()
    assert (found.weights[dropped] == 0).all()
    without = step(labels_of(labels.probabilities[~dropped])).probabilities
    np.testing.assert_allclose(without, found.probabilities[~dropped], rtol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_sharpening_helps_where_the_supervisor_is_right_but_shy(seed):
    """Four of five labels are right and say so with .55; one of five follows another feature, with .99.

    As they are, the few sure ones decide; sharpened, every label counts the same.
    """
    planted = misled(seed, honest=0.8, sure=(0.55, 0.99))
    assert gain(planted, Temperature(0.05)(planted.labels), strength=1.0) >= 0.14


@pytest.mark.parametrize("seed", SEEDS)
def test_softening_helps_where_everything_looks_sure(seed):
    """Two of five labels are right, at 1 - 1e-6; the others follow another feature at .9, which looks as sure.

    Softened, the log-odds of 13.8 and 2.2 count as what they are.
    """
    planted = misled(seed, honest=0.4, sure=(1 - 1e-6, 0.9))
    assert gain(planted, Temperature(10.0)(planted.labels), strength=1.0) >= 0.08
