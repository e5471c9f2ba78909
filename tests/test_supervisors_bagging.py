"""Bagging: samples as large as the whole, with replacement, and a mean that beats every single sample's member."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.naive import Naive
from trimtab.supervisors.bagging import Bagging, bootstrap_weights
from trimtab.supervisors.mean_ensemble import mean_of_members


class FirstThree:
    """A generator that always draws the same counts."""

    def multinomial(self, count: int, shares: np.ndarray) -> np.ndarray:
        assert count == len(shares) == 3 and shares == pytest.approx(1 / 3)
        return np.array([2, 0, 1])


def test_value_by_hand():
    """Three draws out of three items, the first drawn twice and the last once: weights 2, 0, 1."""
    assert bootstrap_weights(3, FirstThree()).tolist() == [2.0, 0.0, 1.0]


@pytest.mark.parametrize("items", [1, 2, 7, 1000])
def test_weights_are_counts_that_sum_to_the_items(items):
    weights = bootstrap_weights(items, np.random.default_rng(items))
    assert weights.dtype == np.float64
    assert weights.sum() == items
    assert (weights == weights.astype(int)).all() and (weights >= 0).all()


def test_is_distributed_as_draws_with_replacement():
    """Against positions drawn one by one: of 2,000 items a share (1 - 1/n)^n = 0.368 is left out, and the counts vary
    by 1 - 1/n, in both."""
    weights = bootstrap_weights(2000, np.random.default_rng(0))
    drawn = np.bincount(np.random.default_rng(1).integers(2000, size=2000), minlength=2000)
    for counts in (weights, drawn):
        assert (counts == 0).mean() == pytest.approx((1 - 1 / 2000) ** 2000, abs=0.04)
        assert counts.var() == pytest.approx(1 - 1 / 2000, abs=0.12)


def test_every_item_is_drawn_alike():
    mean = np.mean([bootstrap_weights(10, np.random.default_rng([0, i])) for i in range(4000)], 0)
    assert mean == pytest.approx(np.ones(10), abs=0.06)


def test_samples_differ_and_repeat_with_their_seed():
    first, again, other = (bootstrap_weights(50, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_mean_beats_every_member_on_fresh_data():
    """Eighty items in twenty directions: a probe of one sample overfits. The cross-entropy of the mean of ten to fresh
    items is at least 0.08 nats below that of the best of them, and 0.2 below theirs on average."""
    generator = np.random.default_rng(0)
    beta, x = generator.normal(size=20), generator.normal(size=(4080, 20))
    truth = np.eye(2)[(generator.random(4080) < 1 / (1 + np.exp(-x @ beta / 2))).astype(int)]
    told = []
    for _ in range(10):
        weights = bootstrap_weights(80, generator)
        told.append(fit_probe(x[:80], truth[:80], weights, Naive(), 0.01, Probe()).head.probabilities(x[80:]))

    def loss(probabilities: np.ndarray) -> float:
        return float(-(truth[80:] * np.log(probabilities)).sum(-1).mean())

    alone = [loss(one) for one in told]
    together = loss(mean_of_members(np.stack(told)))
    assert together < min(alone) - 0.08
    assert together < np.mean(alone) - 0.2


@pytest.mark.parametrize("rounds", [1, 0, -3])
def test_fewer_than_two_rounds_are_refused(rounds):
    with pytest.raises(ValueError, match=f"rounds must be at least 2, found {rounds}"):
        Bagging("a model", rounds=rounds)


def test_sees_no_truth():
    assert Bagging.truth == "none"
