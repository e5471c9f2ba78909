"""Co-supervision: assignments by hand and as a fixed point, its two limits, and specialists that it must find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_labels import labels_of

from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.naive import Naive
from trimtab.supervise.co_supervision import CoSupervision, assignments
from trimtab.types import Evidence

EXAMPLES = [{}, {"temperature": 0.2}]
REFUSED = [{"temperature": 0.0}, {"temperature": -1.0}, {"temperature": math.inf}]


def binary(*positive: float) -> np.ndarray:
    p = np.array(positive)
    return np.stack([1 - p, p], 1)


def test_one_round_by_hand():
    """Two items, two members, beliefs (0, 1): member one says .8 and .2 of class 1, member two the reverse.

    By symmetry both shares stay 1/2, and item one listens to member one with .8 / (.8 + .2) = .8.
    """
    members = np.stack([binary(0.8, 0.2), binary(0.2, 0.8)])
    found = assignments(members, binary(1.0, 1.0), np.ones(2), 1.0)
    np.testing.assert_allclose(found, [[0.8, 0.2], [0.2, 0.8]], atol=1e-9)


def test_is_a_fixed_point_of_both_steps():
    generator = np.random.default_rng(0)
    members = generator.dirichlet(np.ones(3), (4, 50))
    beliefs, weights = generator.dirichlet(np.ones(3), 50), generator.random(50)
    found = assignments(members, beliefs, weights, 0.7)
    shares = (weights[:, None] * found).sum(0) / weights.sum()
    for i in range(50):
        odds = [shares[k] * np.exp((beliefs[i] @ np.log(members[k, i])) / 0.7) for k in range(4)]
        np.testing.assert_allclose(found[i], np.array(odds) / sum(odds), atol=1e-6)


def test_at_a_high_temperature_it_is_the_mean_and_at_a_low_one_the_most_plausible_member():
    generator = np.random.default_rng(1)
    members = generator.dirichlet(np.ones(2), (3, 40))
    beliefs = generator.dirichlet(np.ones(2), 40)
    labels = labels_of(members.mean(0))
    evidence = Evidence(student_beliefs=beliefs, members=tuple(members))
    np.testing.assert_allclose(CoSupervision(1e9)(labels, evidence).probabilities, members.mean(0), atol=1e-6)
    best = np.einsum("ic,kic->ik", beliefs, np.log(members)).argmax(1)
    found = CoSupervision(1e-6)(labels, evidence).probabilities
    np.testing.assert_allclose(found, members[best, np.arange(40)], atol=1e-2)


def test_equal_members_change_nothing():
    p = np.random.default_rng(2).dirichlet(np.ones(3), 20)
    evidence = Evidence(student_beliefs=p[::-1], members=(p, p, p))
    np.testing.assert_allclose(CoSupervision()(labels_of(p), evidence).probabilities, p, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_the_specialist_of_each_region(seed):
    """Planted: two members, each sure and right on its own half of the items and sure and random on the other.

    A student of their mean is right more often than either, and so says whom to believe. The accuracy of the labels
    rises from at most .763 (either member, the mean) to .990, .992 and .989; asserted: by .1.
    """
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(2000, 6))
    truth = (x[:, 0] > 0).astype(int)
    region = x[:, 1] > 0
    members = []
    for own in (region, ~region):
        said = np.where(own, truth, generator.integers(2, size=2000))
        members.append(np.where(said[:, None] == [0, 1], 0.9, 0.1))
    mean = np.mean(members, 0)
    head = fit_probe(x, mean, np.ones(2000), Naive(), 0.1, Probe()).head
    evidence = Evidence(student_beliefs=head.probabilities(x), members=tuple(members))
    after = CoSupervision(0.3)(labels_of(mean), evidence).probabilities
    before = [(one.argmax(1) == truth).mean() for one in members]
    assert (after.argmax(1) == truth).mean() > max(before) + 0.1
