"""Paired tests, agreement with the supervisor, and the resolution of a test split."""

from __future__ import annotations

import subprocess
import sys
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.metrics.agreement import agreement
from trimtab.metrics.intervals import resample
from trimtab.metrics.paired import holm, majority, mcnemar, mean_ranks
from trimtab.metrics.resolution import resolvable_gap

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def right_on(only_a: int, only_b: int, both: int = 5):
    """Return who is right on items of three kinds, one seed."""
    a = np.array([True] * only_a + [False] * only_b + [True] * both)
    b = np.array([False] * only_a + [True] * only_b + [True] * both)
    return a, b


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (6, 0), (9, 3), (3, 9), (4, 4), (40, 22)])
def test_mcnemar_is_the_binomial_tail(only_a, only_b):
    a, b = right_on(only_a, only_b)
    found = mcnemar(a[None], b[None])
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(max(only_a, only_b), n + 1)) / 2**n
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert found.per_seed[0].p == found.p
    assert (found.per_seed[0].only_a, found.per_seed[0].only_b) == (only_a, only_b)


def test_seeds_that_contradict_each_other_prove_nothing():
    a, b = right_on(20, 2)
    agree = mcnemar(np.stack([a, a, a]), np.stack([b, b, b]))
    contradict = mcnemar(np.stack([a, b, a, b]), np.stack([b, a, b, a]))
    assert agree.p < 0.001
    assert contradict.p == 1.0
    assert agree.p == pytest.approx(1.5 * agree.per_seed[0].p)  # S / k = 3 / 2: copies are not more evidence


def test_combination_holds_its_level_under_dependence():
    rng = np.random.default_rng(0)
    n_items, rejected, studies = 150, 0, 300
    for _ in range(studies):
        shared = rng.normal(size=(2, n_items))
        noise = rng.normal(0, 0.5, (2, 5, n_items))
        correct = shared[:, None] + noise > -0.7
        rejected += mcnemar(correct[0], correct[1]).p < 0.05
    assert rejected / studies <= 0.08  # 5 % and two and a half standard errors


@given(P_VALUES)
def test_majority_is_at_least_the_median(p_values):
    assert sorted(p_values)[len(p_values) // 2] <= majority(p_values) <= 1
    assert majority(p_values[::-1]) == majority(p_values)


@given(P_VALUES)
def test_holm_restated(p_values):
    adjusted = holm(p_values)
    m = len(p_values)
    ordered = sorted(range(m), key=lambda i: p_values[i])
    running = 0.0
    for rank, i in enumerate(ordered):
        running = max(running, min(1.0, (m - rank) * p_values[i]))
        assert adjusted[i] == pytest.approx(running)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


def test_holm_of_nothing_and_of_nonsense():
    assert holm([]) == ()
    for bad in (1.2, -0.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm([0.1, bad])


def test_mcnemar_refuses_other_shapes():
    with pytest.raises(ValueError, match="seeds, items"):
        mcnemar(np.ones(5, dtype=bool), np.ones(5, dtype=bool))


def test_mean_ranks_turn_with_the_direction():
    scores = np.array([[0.9, 0.5, 0.7]] * 6)
    assert mean_ranks(scores).ranks == (1.0, 3.0, 2.0)
    assert mean_ranks(scores, higher_is_better=False).ranks == (3.0, 1.0, 2.0)
    assert not mean_ranks(scores).descriptive
    assert mean_ranks(scores[:5]).descriptive
    with pytest.raises(ValueError, match="every method"):
        mean_ranks(np.array([[0.1, np.nan]]))


def answers(classes):
    return np.eye(3)[np.asarray(classes)]


def test_agreement_by_hand():
    gold = np.array([0, 1, 2, 0, 1, 2])
    supervisor = answers([[0, 1, 2, 1, 2, 0]])  # right on the first three
    student = answers([[0, 1, 0, 1, 0, 2]])  # agrees on 2 of 3 and on 1 of 3
    found = agreement(student, supervisor, gold, resample(None, 6, 1))
    assert found.when_weak_right.mean == pytest.approx(2 / 3)
    assert found.when_weak_wrong.mean == pytest.approx(1 / 3)
    assert (found.n_right, found.n_wrong) == ((3,), (3,))
    assert 0 <= found.when_weak_wrong.low <= 1 / 3 <= found.when_weak_wrong.high <= 1


def test_a_copy_agrees_everywhere_and_a_perfect_supervisor_is_never_wrong():
    gold = np.arange(30) % 3
    weak = answers([np.roll(gold, 1) * (np.arange(30) < 10) + gold * (np.arange(30) >= 10)] * 5)
    drawn = resample(None, 30, 5)
    copy = agreement(weak, weak, gold, drawn)
    exact = pytest.approx(0.025 ** (1 / 30))  # no draw holds a disagreement
    assert (copy.when_weak_right.low, copy.when_weak_wrong.high) == (exact, 1.0)
    found = agreement(weak, answers([gold] * 5), gold, drawn).when_weak_wrong
    assert (found.mean, found.low, found.high) == (None, None, None)
    assert "no test item" in found.reason
    with pytest.raises(ValueError, match="do not fit"):
        agreement(weak[:1], weak, gold, drawn)


def test_resolvable_gap_formula():
    assert resolvable_gap(1000, 0.9) == pytest.approx(1.959963984540054 * sqrt(2 * 0.9 * 0.1 / 1000))
    assert resolvable_gap(4000) == pytest.approx(resolvable_gap(1000) / 2)
    assert resolvable_gap(1000, correlation=1.0) == 0
    # 5 seeds whose gaps spread by one point: t(4) = 2.776
    expected = sqrt(resolvable_gap(1000) ** 2 + 2.7764451051977987**2 * 0.01**2 / 5)
    assert resolvable_gap(1000, seeds=5, seed_deviation=0.01) == pytest.approx(expected)
    for bad in ({"n_items": 0}, {"n_items": 10, "accuracy": 1.2}, {"n_items": 10, "seeds": 0}):
        with pytest.raises(ValueError, match="resolvable_gap needs"):
            resolvable_gap(**bad)


def test_resolvable_gap_is_where_half_of_the_studies_pass():
    rng = np.random.default_rng(1)
    n_items, gap = 500, resolvable_gap(500)
    drawn = resample(None, n_items, 1, draws=300)
    passed = 0
    for _ in range(300):
        difference = (rng.random(n_items) < 0.8 + gap / 2).astype(float) - (rng.random(n_items) < 0.8 - gap / 2)
        passed += np.quantile(drawn.item_weights @ difference, 0.025) > 0
    assert passed / 300 == pytest.approx(0.5, abs=0.1)


def test_metrics_import_without_scipy():
    code = (
        "import sys, trimtab.metrics, trimtab.metrics.resolution, trimtab.metrics.pgr, "
        "trimtab.metrics.paired, trimtab.metrics.agreement, trimtab.metrics.aggregate; "
        "sys.exit(any(name in sys.modules for name in ('scipy', 'torch', 'pandas', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
