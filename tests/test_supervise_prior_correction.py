"""Prior correction: one shift per class, the mean that is wanted, and means that cannot be had."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planted_labels import SEEDS, Planted, binary, gain, labels_of, permuted, random_labels
from scipy.optimize import brentq

from trimtab.errors import FitError
from trimtab.supervise.prior_correction import PriorCorrection

EXAMPLES = [{}, {"prior": (0.5, 0.3, 0.2)}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [
    {"prior": "even"},
    {"prior": (0.5, 0.6)},
    {"prior": (0.0, 1.0)},
    {"prior": (-0.5, 1.5)},
    {"prior": (math.nan, 0.5)},
    {"prior": ()},
]
PER_CLASS = ("prior",)
"""Settings with one entry per class."""


def test_shift_by_hand():
    """Odds of 4 and 1 must be multiplied by b so that 4b/(1+4b) + b/(1+b) = 1: 4b * b = 1, b = 1/2.

    The new odds are 2 and 1/2.
    """
    found = PriorCorrection()(binary([0.8, 0.5])).probabilities
    np.testing.assert_allclose(found[:, 1], [2 / 3, 1 / 3], atol=1e-8)


def test_weights_count_by_hand():
    """Odds of 4 with weight 2 and of 1 with weight 1, and the mean (2 * 4/5 + 1/2) / 3 = .7: nothing changes at .7."""
    labels = binary([0.8, 0.5], [2.0, 1.0])
    found = PriorCorrection(prior=(0.3, 0.7))(labels)
    np.testing.assert_allclose(found.probabilities, labels.probabilities, atol=1e-8)
    assert found.weights.tolist() == [2, 1]


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.9])
def test_two_classes_are_a_shift_of_the_log_odds(wanted):
    labels = random_labels(2)
    logits = np.log(labels.probabilities[:, 1] / labels.probabilities[:, 0])

    def miss(shift: float) -> float:
        return float(np.average(1 / (1 + np.exp(-logits - shift)), weights=labels.weights)) - wanted

    shift = float(brentq(miss, -50, 50, xtol=1e-13))  # pyright: ignore[reportArgumentType]
    found = PriorCorrection(prior=(1 - wanted, wanted))(labels).probabilities[:, 1]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits - shift)), atol=1e-7)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_meets_the_mean_by_one_factor_per_class(classes):
    labels = random_labels(classes, items=200)
    prior = np.arange(1, classes + 1) / (classes * (classes + 1) / 2)
    found = PriorCorrection(prior=tuple(prior))(labels)
    np.testing.assert_allclose(np.average(found.probabilities, axis=0, weights=labels.weights), prior, atol=1e-9)
    logs = np.log(found.probabilities) - np.log(labels.probabilities)
    shifts = logs - logs[:, :1]
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[0], shifts.shape), atol=1e-9)
    assert np.array_equal(found.weights, labels.weights)


def test_uniform_is_the_same_share_for_each():
    labels = random_labels(4)
    even = PriorCorrection(prior=(0.25, 0.25, 0.25, 0.25))(labels)
    np.testing.assert_allclose(PriorCorrection()(labels).probabilities, even.probabilities, atol=1e-9)


def test_a_mean_that_is_met_changes_nothing():
    labels = binary([0.9, 0.1, 0.3, 0.7])
    assert np.array_equal(PriorCorrection()(labels).probabilities, labels.probabilities)
    once = PriorCorrection()(random_labels(3))
    np.testing.assert_allclose(PriorCorrection()(once).probabilities, once.probabilities, atol=1e-9)


def test_an_earlier_shift_is_undone():
    """Labels whose odds were shifted by any factors come out the same."""
    labels = random_labels(3)
    shifted = labels.probabilities * [5.0, 1.0, 0.2]
    shifted /= shifted.sum(1, keepdims=True)
    again = PriorCorrection()(replace(labels, probabilities=shifted))
    np.testing.assert_allclose(again.probabilities, PriorCorrection()(labels).probabilities, atol=1e-8)


def test_items_of_weight_0_do_not_count():
    labels = binary([0.8, 0.5, 0.99, 0.97], [1, 1, 0, 0])
    found = PriorCorrection()(labels)
    np.testing.assert_allclose(found.probabilities[:2, 1], [2 / 3, 1 / 3], atol=1e-8)
    assert found.weights.tolist() == [1, 1, 0, 0]


def test_the_order_of_items_does_not_matter():
    labels = random_labels(3)
    order = np.random.default_rng(1).permutation(len(labels.ids))
    found = PriorCorrection()(permuted(labels, order)).probabilities
    np.testing.assert_allclose(found, PriorCorrection()(labels).probabilities[order], atol=1e-9)


def test_sure_labels_that_nearly_meet_the_prior_are_shifted_all_the_same():
    """Their mean is off by 2.5e-5, and each moves little with the shift: 10,000 plain rounds do not get there."""
    labels = binary([1 - 1e-4] * 50 + [2e-4] * 50)
    found = PriorCorrection()(labels).probabilities
    np.testing.assert_allclose(found.mean(0), 0.5, atol=1e-9)


def test_far_priors_and_sure_labels():
    labels = binary([1 - 1e-9] * 60 + [1e-9] * 40)
    for wanted in (0.01, 0.5, 0.99):
        found = PriorCorrection(prior=(1 - wanted, wanted))(labels).probabilities
        np.testing.assert_allclose(found.mean(0), [1 - wanted, wanted], atol=1e-9)


def test_what_cannot_be_reached_is_an_error():
    with pytest.raises(FitError, match=r"mean is \[0\.25, 0\.75\] and no shift by class makes it \[0\.5, 0\.5\]"):
        PriorCorrection()(binary([1, 1, 1, 0]))
    with pytest.raises(FitError, match="no shift by class"):
        PriorCorrection()(labels_of(np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])))


def test_another_number_of_classes_is_an_error():
    with pytest.raises(FitError, match="prior has 2 shares, the task 3 classes"):
        PriorCorrection(prior=(0.5, 0.5))(random_labels(3))


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_where_the_supervisor_leans_to_one_class(seed):
    """Truth: sign of the first feature. The log-odds are twice that feature plus 2, so the labels change at -1."""
    rng = np.random.default_rng(seed)
    states, fresh = rng.normal(size=(600, 2)), rng.normal(size=(4000, 2))
    labels = binary(1 / (1 + np.exp(-2 * states[:, 0] - 2)))
    gold = (states[:, 0] > 0).astype(int)
    planted = Planted(states, labels, gold, fresh, (fresh[:, 0] > 0).astype(int), np.ones(600, bool))
    assert gain(planted, PriorCorrection()(labels)) >= 0.18
