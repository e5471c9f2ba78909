"""Dirichlet ensemble: its evidence, its limits, and a truth to which it is closer than the plain mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.supervisors.dirichlet_ensemble import MOST_EVIDENCE, DirichletEnsemble, dirichlet_mean, evidence
from trimtab.supervisors.mean_ensemble import mean_of_members


def two_classes(*firsts: list[float]) -> np.ndarray:
    """Return members' probabilities from those of class 0."""
    p = np.array(firsts)
    return np.stack([p, 1 - p], -1)


def cross_entropy(truth: np.ndarray, told: np.ndarray) -> float:
    return float(-(truth * np.log(told)).sum(-1).mean())


def test_value_by_hand():
    """Members say 0.9 and 0.7 of class 0. Mean 0.8; sum of m (1 - m) is 2 * 0.16 = 0.32; each class varies by
    0.1^2 + 0.1^2 over one degree of freedom, 0.02, in sum 0.04. Evidence 0.32 / 0.04 - 1 = 7. With two pseudo-counts,
    one a class: (7 * 0.8 + 1) / 9 = 6.6 / 9."""
    given = two_classes([0.9], [0.7])
    assert evidence(given) == pytest.approx([7])
    assert dirichlet_mean(given, 2.0) == pytest.approx(np.array([[6.6 / 9, 2.4 / 9]]))


def test_against_an_independent_restatement():
    given = np.random.default_rng(0).dirichlet(np.full(3, 4.0), (4, 60))
    for i in range(60):
        mean = [np.mean([given[k, i, c] for k in range(4)]) for c in range(3)]
        variance = [sum((given[k, i, c] - mean[c]) ** 2 for k in range(4)) / 3 for c in range(3)]
        seen = max(0.0, sum(m * (1 - m) for m in mean) / sum(variance) - 1)
        wanted = [(seen * m + 1.5 / 3) / (seen + 1.5) for m in mean]
        assert dirichlet_mean(given, 1.5)[i] == pytest.approx(wanted, rel=1e-12)


def test_finds_the_evidence_of_a_dirichlet():
    """Many draws of Dirichlet(8, 2): moments give back an evidence of 10 within a tenth."""
    given = np.random.default_rng(1).dirichlet([8.0, 2.0], (4000, 1))
    assert evidence(given) == pytest.approx([10], rel=0.1)


@pytest.mark.parametrize("p", [0.5, 0.8, 0.999, 1 - 1e-9, 1.0])
def test_agreeing_members_are_their_mean_however_sure_they_are(p):
    """Also members that are all but certain, whose spread and doubt are both next to nothing."""
    given = two_classes([p], [p], [p])
    assert evidence(given) == pytest.approx([MOST_EVIDENCE], rel=1e-5)
    assert dirichlet_mean(given, 2.0) == pytest.approx(given[0], abs=2e-6)


def test_sure_members_that_all_but_agree_stay_sure():
    """0.99999 and 0.99998: doubt 3e-5 against a spread of 1e-10, far more evidence than prior."""
    assert dirichlet_mean(two_classes([0.99999], [0.99998]), 2.0)[0, 0] > 0.9999


def test_members_at_odds_are_no_evidence():
    assert evidence(two_classes([1.0], [0.0])) == pytest.approx([0])
    assert dirichlet_mean(two_classes([1.0], [0.0]), 2.0) == pytest.approx(np.full((1, 2), 0.5))


def test_more_disagreement_is_less_evidence():
    apart = np.linspace(0.01, 0.29, 15)
    found = evidence(two_classes(0.7 + apart, 0.7 - apart))
    assert (np.diff(found) < 0).all()
    labels = dirichlet_mean(two_classes(0.7 + apart, 0.7 - apart), 2.0)[:, 0]
    assert (np.diff(labels) < 0).all()
    assert labels.min() > 0.5 and labels.max() < 0.7


def test_much_prior_is_even_and_little_is_the_mean():
    given = np.random.default_rng(2).dirichlet(np.full(4, 3.0), (3, 20))
    assert dirichlet_mean(given, 1e9) == pytest.approx(np.full((20, 4), 0.25), abs=1e-6)
    some = evidence(given) > 0.01
    assert some.sum() > 10
    assert dirichlet_mean(given, 1e-9)[some] == pytest.approx(mean_of_members(given)[some], abs=1e-6)


def test_rows_sum_to_one_and_order_does_not_count():
    given = np.random.default_rng(3).dirichlet(np.ones(3), (4, 30))
    wanted = dirichlet_mean(given, 2.0)
    assert wanted.sum(1) == pytest.approx(1)
    assert dirichlet_mean(given[::-1], 2.0) == pytest.approx(wanted, abs=1e-12)
    assert dirichlet_mean(given[:, ::-1], 2.0) == pytest.approx(wanted[::-1], abs=1e-15)
    assert dirichlet_mean(given[:, :, [2, 0, 1]], 2.0) == pytest.approx(wanted[:, [2, 0, 1]], abs=1e-12)


def test_is_closer_to_the_truth_than_the_mean_where_disagreement_means_doubt():
    """Of half the items all three members are surely right; of the others each surely guesses by itself. Against the
    mean, the cross-entropy to the truth falls by at least 0.01 nats."""
    generator = np.random.default_rng(0)
    gold = generator.integers(2, size=4000)
    knows = generator.random(4000) < 0.5
    guess = generator.choice([-1, 1], (3, 4000))
    logits = 3 * np.where(knows, 2 * gold - 1, guess) + 0.3 * generator.normal(size=(3, 4000))
    positive = 1 / (1 + np.exp(-logits))
    told, truth = np.stack([1 - positive, positive], -1), np.eye(2)[gold]
    assert cross_entropy(truth, dirichlet_mean(told, 2.0)) < cross_entropy(truth, mean_of_members(told)) - 0.01


@pytest.mark.parametrize("prior", [0.0, -1.0, math.inf, math.nan])
def test_a_prior_that_is_none_is_refused(prior):
    with pytest.raises(ValueError, match="prior must be above 0"):
        DirichletEnsemble(("a", "b"), prior=prior)


def test_a_single_member_is_refused():
    with pytest.raises(ValueError, match="members must be at least two models, found 1"):
        DirichletEnsemble(("a",))


def test_sees_no_truth():
    assert DirichletEnsemble.truth == "none"
