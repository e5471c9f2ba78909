"""Noisy channel: truth and channel by hand, as a fixed point, and what the prior count does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import SEEDS, binary, clustered, cross_fitted, gain, labels_of, permuted, random_labels

from trimtab.supervise.noisy_channel import NoisyChannel, channel_posterior
from trimtab.types import Evidence, Labels

EXAMPLES = [{}, {"diagonal": 0.1}, {"diagonal": 10.0}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"diagonal": -0.1}, {"diagonal": math.inf}, {"diagonal": math.nan}]


def case(classes: int = 3, items: int = 60) -> tuple[Labels, np.ndarray]:
    """Return random labels and beliefs about them."""
    return random_labels(classes, items), np.random.default_rng([classes, 7]).dirichlet(np.ones(classes), items)


def test_channel_and_posterior_by_hand():
    """The student is certain of five items: 0, 0, 0, 1, 1, labelled 0, 0, 1, 1, 0.

    With a prior count of 1 per item A_00 = (2 + 3) / 6 = 5/6 and A_11 = (1 + 2) / 4 = 3/4. Of an item that it
    knows nothing about, and that does not count, label 1 says p_1 = (3/4) / (3/4 + 1/6) = 9/11, and label 0
    p_1 = (1/4) / (1/4 + 5/6) = 3/13.
    """
    weak = binary([0, 0, 1, 1, 0, 1, 0]).probabilities
    beliefs = binary([0, 0, 0, 1, 1, 0.5, 0.5]).probabilities
    posterior, channel = channel_posterior(weak, beliefs, np.array([1, 1, 1, 1, 1, 0, 0.0]), 1.0)
    np.testing.assert_allclose(channel, [[5 / 6, 1 / 6], [1 / 4, 3 / 4]], atol=1e-9)
    np.testing.assert_allclose(posterior[:, 1], [0, 0, 0, 1, 1, 9 / 11, 3 / 13], atol=1e-9)


def test_a_student_that_knows_nothing_leaves_hard_labels_by_hand():
    """From beliefs of 1/2, A_cc goes 3/4, 7/8, 15/16 and so on to 1: the channel is clean and the label is right."""
    labels = binary([1, 0] * 10)
    found = NoisyChannel()(labels, Evidence(student_beliefs=np.full((20, 2), 0.5)))
    np.testing.assert_allclose(found.probabilities, labels.probabilities, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("diagonal", [0.0, 1.0, 20.0])
def test_against_loops_of_expectation_and_maximisation(classes, diagonal):
    labels, beliefs = case(classes, items=30)
    weak, weights = labels.probabilities, labels.weights
    posterior = beliefs.copy()
    for _ in range(500):
        channel = np.zeros((classes, classes))
        for c in range(classes):
            for k in range(classes):
                channel[c, k] = float(np.sum(weights * posterior[:, c] * weak[:, k]))
            channel[c, c] += diagonal * float(np.sum(weights * posterior[:, c]))
        channel = np.maximum(channel, 1e-12)
        channel /= channel.sum(1, keepdims=True)
        before = posterior
        posterior = beliefs * np.prod(channel[None] ** weak[:, None, :], axis=2)
        posterior /= posterior.sum(1, keepdims=True)
        if np.abs(posterior - before).max() <= 1e-9:
            break
    found, channel_found = channel_posterior(weak, beliefs, weights, diagonal)
    np.testing.assert_allclose(found, posterior, atol=1e-7)
    np.testing.assert_allclose(channel_found, channel, atol=1e-7)


def test_rounds_never_lose_likelihood(monkeypatch):
    """Without prior count: sum_i w_i log sum_c r_ic prod_k A_ck^q_ik."""
    labels, beliefs = case()
    values = []
    for rounds in (1, 2, 3, 5, 10, 50):
        monkeypatch.setattr("trimtab.supervise.noisy_channel.ROUNDS", rounds)
        _, channel = channel_posterior(labels.probabilities, beliefs, labels.weights, 0.0)
        inner = (beliefs * np.exp(labels.probabilities @ np.log(channel).T)).sum(1)
        values.append(float(labels.weights @ np.log(inner)))
    assert (np.diff(values) >= -1e-9).all()


def test_certain_beliefs_win():
    labels, _ = case()
    certain = np.eye(3)[np.random.default_rng(0).integers(0, 3, len(labels.ids))]
    found = NoisyChannel()(labels, Evidence(student_beliefs=certain))
    np.testing.assert_allclose(found.probabilities, certain, atol=1e-12)


def test_a_huge_prior_count_trusts_the_weak_label():
    """The channel is clean up to 1e-12, so that the label decides wherever it leans to a class at all."""
    labels, beliefs = case()
    clear = np.sort(labels.probabilities, 1)
    clear = clear[:, -1] - clear[:, -2] > 0.5
    found = NoisyChannel(diagonal=1e12)(labels, Evidence(student_beliefs=beliefs)).probabilities
    assert np.array_equal(found[clear].argmax(1), labels.probabilities[clear].argmax(1))
    hard = labels_of(np.eye(3)[labels.probabilities.argmax(1)])
    found = NoisyChannel(diagonal=1e12)(hard, Evidence(student_beliefs=beliefs)).probabilities
    np.testing.assert_allclose(found, hard.probabilities, atol=1e-6)


def test_even_labels_leave_the_product_of_beliefs_and_channel():
    """Labels that say nothing, every row the same: the beliefs stay."""
    beliefs = np.array([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])
    found = NoisyChannel()(binary([0.5, 0.5, 0.5]), Evidence(student_beliefs=beliefs)).probabilities
    np.testing.assert_allclose(found, beliefs, atol=1e-6)


def test_a_class_that_nobody_names_stays_empty():
    weak = np.array([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.9, 0.1, 0.0]])
    found = NoisyChannel()(labels_of(weak), Evidence(student_beliefs=weak)).probabilities
    np.testing.assert_allclose(found[:, 2], 0, atol=1e-12)
    assert np.isfinite(found).all()


def test_items_of_weight_0_teach_nothing():
    labels, beliefs = case()
    present = np.flatnonzero(labels.weights > 0)
    found = NoisyChannel()(labels, Evidence(student_beliefs=beliefs))
    alone = NoisyChannel()(permuted(labels, present), Evidence(student_beliefs=beliefs[present]))
    np.testing.assert_allclose(found.probabilities[present], alone.probabilities, atol=1e-7)
    assert np.array_equal(found.weights, labels.weights)


def test_all_weights_times_a_number_change_nothing():
    labels, beliefs = case()
    more = labels_of(labels.probabilities, labels.weights * 5)
    given = Evidence(student_beliefs=beliefs)
    wanted = NoisyChannel()(labels, given).probabilities
    np.testing.assert_allclose(NoisyChannel()(more, given).probabilities, wanted, atol=1e-9)


def test_the_order_of_items_does_not_matter():
    labels, beliefs = case()
    order = np.random.default_rng(1).permutation(len(labels.ids))
    found = NoisyChannel()(permuted(labels, order), Evidence(student_beliefs=beliefs[order])).probabilities
    wanted = NoisyChannel()(labels, Evidence(student_beliefs=beliefs)).probabilities[order]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_where_one_class_is_often_told_as_the_other(seed):
    """Items in many clusters; of class 1 45 in 100 labels are turned over, of class 0 two in 100."""
    planted = clustered(seed, clusters=40, rates=(0.02, 0.45), items=3000, hidden=5, spread=0.7)
    beliefs = cross_fitted(planted.states, planted.labels, strength=0.01)
    after = NoisyChannel()(planted.labels, Evidence(student_beliefs=beliefs))
    assert gain(planted, after, strength=0.01) >= 0.025
