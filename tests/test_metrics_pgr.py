"""Performance gap recovered: values, each status, Fieller by hand, the table at chance, the median."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.metrics import METRICS
from trimtab.metrics.aggregate import median_pgr
from trimtab.metrics.intervals import Scores, resample, score
from trimtab.metrics.pgr import PGR, fieller_interval, performance_gap_recovered

ACCURACY = METRICS["accuracy"]


def with_accuracy(accuracies, n_items: int, seed: int):
    """Return predictions with exactly these accuracies, one per seed, and a balanced gold."""
    rng = np.random.default_rng(seed)
    gold = np.arange(n_items) % 2
    correct = np.stack([rng.permutation(n_items) < round(a * n_items) for a in accuracies])
    positive = np.where(correct, gold, 1 - gold) * 0.8 + 0.1
    return np.stack([1 - positive, positive], -1), gold


def study(weak, student, ceiling, n_items=2000, draws=1000):
    """Return the scores of three roles, each a list of accuracies per seed, and their resample."""
    drawn = resample(None, n_items, len(weak), draws=draws)
    roles = [score(ACCURACY, *with_accuracy(a, n_items, i), drawn) for i, a in enumerate((weak, student, ceiling))]
    return *roles, drawn


CLEAR = ([0.70, 0.71, 0.69, 0.70, 0.70], [0.75, 0.76, 0.74, 0.75, 0.75], [0.80, 0.81, 0.79, 0.80, 0.80])


@pytest.mark.parametrize("n_seeds", [1, 2, 3, 5])
def test_weak_is_zero_and_ceiling_is_one(n_seeds):
    weak, student, ceiling, drawn = study(*(role[:n_seeds] for role in CLEAR))
    for role, expected in ((weak, 0.0), (ceiling, 1.0)):
        found = performance_gap_recovered(weak, role, ceiling, drawn)
        assert (found.value, found.low, found.high) == pytest.approx((expected,) * 3)
    found = performance_gap_recovered(weak, student, ceiling, drawn)
    assert found.status == "ok"
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert found.low < found.value < found.high


def test_ratio_of_means_not_mean_of_ratios():
    weak, student, ceiling, drawn = study([0.60] * 4 + [0.70], [0.70] * 4 + [0.72], [0.80] * 4 + [0.71])
    found = performance_gap_recovered(weak, student, ceiling, drawn)
    assert found.value == pytest.approx((0.704 - 0.62) / (0.782 - 0.62))  # the mean of ratios is 0.8


def test_lower_is_better_is_symmetric():
    weak, student, ceiling, drawn = study(*CLEAR)
    up = performance_gap_recovered(weak, student, ceiling, drawn)
    errors = [Scores(1 - s.point, 1 - s.draws) for s in (weak, student, ceiling)]
    down = performance_gap_recovered(*errors, drawn, higher_is_better=False)
    assert (down.value, down.low, down.high) == pytest.approx((up.value, up.low, up.high))
    assert down.gap.mean == pytest.approx(up.gap.mean)
    assert down.status == up.status
    assert performance_gap_recovered(*errors, drawn).status == "reversed"


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
def test_reversed_needs_proof_and_no_gap_does_not(n_seeds):
    weak, student, ceiling, drawn = study(*(role[:n_seeds] for role in CLEAR))
    found = performance_gap_recovered(ceiling, student, weak, drawn)
    assert (found.status, found.value, found.low, found.high) == ("reversed", None, None, None)
    assert "worse" in found.reason
    slightly_worse = study([0.70] * n_seeds, [0.70] * n_seeds, [0.695] * n_seeds)
    found = performance_gap_recovered(*slightly_worse)
    assert (found.status, found.value) == ("no_gap", None)
    assert found.gap.mean == pytest.approx(-0.005)
    assert found.gap.low < 0 < found.gap.high


def test_imprecise_is_fieller_around_the_value():
    weak, student, ceiling, drawn = study([0.70] * 5, [0.715] * 5, [0.72] * 5, n_items=2000)
    found = performance_gap_recovered(weak, student, ceiling, drawn)
    assert found.status == "imprecise"
    assert found.value == pytest.approx(0.75)
    assert found.low < found.value < found.high
    assert "standard errors" in found.reason
    # independent restatement: no spread between seeds, so items alone, 1.96 squared times their covariance
    gain, gap = (student.draws - weak.draws).mean(1), (ceiling.draws - weak.draws).mean(1)
    for end in (found.low, found.high):
        deviation = np.var(gain - end * gap)
        assert (0.015 - end * 0.02) ** 2 == pytest.approx(1.959963984540054**2 * deviation, rel=1e-9)


def test_a_large_gap_whose_ratio_has_no_ends_does_not_call_it_small():
    """Two seeds, t = 12.7: with the spread that the gain shows, t standard errors of the gap reach 0, and 4 do not."""
    weak, student, ceiling, drawn = study([0.70, 0.70], [0.65, 0.85], [0.79, 0.81])
    found = performance_gap_recovered(weak, student, ceiling, drawn)
    assert (found.status, found.low, found.high) == ("imprecise", None, None)
    assert found.gap.low > 0 and found.value == pytest.approx(0.5)
    assert found.reason == "2 seeds: they tell their own spread too badly for the ratio to have a bounded interval."


def test_fieller_by_hand():
    # (3 - 4R)^2 <= 1 + R^2 (variances 1, no covariance): 15 R^2 - 24 R + 8 <= 0, R = (12 +- sqrt(24)) / 15
    low, high = fieller_interval(3.0, 4.0, 1.0, 0.0, 1.0)
    assert (low, high) == pytest.approx(((12 - 24**0.5) / 15, (12 + 24**0.5) / 15))
    # covariance 1/2: (3 - 4R)^2 <= 1 - R + R^2: 15 R^2 - 23 R + 8 <= 0, R = 8/15 and 1
    assert fieller_interval(3.0, 4.0, 1.0, 0.5, 1.0) == pytest.approx((8 / 15, 1.0))
    assert fieller_interval(3.0, 1.0, 1.0, 0.0, 1.0) == (None, None)


def test_fieller_and_percentiles_agree_where_the_gap_is_large():
    weak, student, ceiling, drawn = study([0.6], [0.75], [0.9], n_items=4000, draws=2000)
    percentile = performance_gap_recovered(weak, student, ceiling, drawn)
    gain, gap = (student.draws - weak.draws)[:, 0], (ceiling.draws - weak.draws)[:, 0]
    covariance = 1.959963984540054**2 * np.cov(gain, gap)
    low, high = fieller_interval(0.15, 0.3, covariance[0, 0], covariance[0, 1], covariance[1, 1])
    assert (percentile.low, percentile.high) == pytest.approx((low, high), abs=0.005)


# ground-truth accuracies published for anthropic_hh, whose median PGR is given there as 0.81
AT_CHANCE = {
    "gpt2": 0.4924,
    "medium": 0.4900,
    "large": 0.4902,
    "xl": 0.4908,
    "1.8B": 0.4911,
    "7B": 0.4936,
    "14B": 0.4960,
}


def test_every_pair_at_chance_is_no_gap():
    drawn = resample(None, 10_000, 1, draws=1000)
    models = list(AT_CHANCE)
    scores = {}
    for i, name in enumerate(models):
        scores[name] = score(ACCURACY, *with_accuracy([AT_CHANCE[name]], 10_000, i), drawn)
        assert scores[name].point[0] == pytest.approx(AT_CHANCE[name])
    naive_ratios, rows = [], []
    for i, weak in enumerate(models):
        for strong in models[i + 1 :]:
            student = score(ACCURACY, *with_accuracy([AT_CHANCE[strong] + 0.001], 10_000, 99), drawn)
            rows.append(performance_gap_recovered(scores[weak], student, scores[strong], drawn))
            naive_ratios.append((student.point[0] - scores[weak].point[0]) / rows[-1].gap.mean)
    assert max(naive_ratios) > 0.81  # what is printed when nobody asks whether there is a gap
    assert {row.status for row in rows} == {"no_gap"}
    assert all(row.value is None and "not shown" in row.reason for row in rows)
    found = median_pgr(rows)
    assert (found.value, found.n_ok, found.n_no_gap, found.n_other) == (None, 0, 21, 0)


def test_self_pair_and_undefined():
    weak, student, ceiling, drawn = study(*CLEAR)
    found = performance_gap_recovered(weak, student, ceiling, drawn, self_pair=True)
    assert (found.status, found.value) == ("self_pair", None)
    nothing = Scores(np.full(5, np.nan), np.full((1000, 5), np.nan))
    for roles in ((nothing, student, ceiling), (weak, nothing, ceiling), (weak, student, nothing)):
        found = performance_gap_recovered(*roles, drawn)
        assert (found.status, found.value, found.low, found.high) == ("undefined", None, None, None)
        assert found.reason


def test_equal_constant_scores_are_no_gap():
    drawn = resample(None, 20, 5, draws=100)
    ones = Scores(np.ones(5), np.ones((100, 5)))
    assert performance_gap_recovered(ones, ones, ones, drawn).status == "no_gap"


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
def test_five_items_never_give_nan(n_seeds):
    rng = np.random.default_rng(n_seeds)
    drawn = resample(None, 5, n_seeds)
    gold = np.array([0, 1, 0, 1, 1])
    for metric in METRICS.values():
        roles = [score(metric, rng.dirichlet([1, 1], size=(n_seeds, 5)), gold, drawn) for _ in range(3)]
        found = performance_gap_recovered(*roles, drawn, higher_is_better=metric.higher_is_better)
        numbers = [*found.to_json().values(), *found.gap.to_json().values()]
        assert not any(isinstance(number, float) and np.isnan(number) for number in numbers)
        assert (found.value is None) == (found.status not in ("ok", "imprecise"))


def test_no_gap_test_is_wrong_in_under_five_percent():
    """Without a true gap at most 2.5 % may pass; a true gap far above the resolution always passes."""
    rng = np.random.default_rng(0)
    drawn = resample(None, 300, 5, draws=400)
    weights = drawn.item_weights / 300
    passed = 0
    for _ in range(300):
        hard = rng.normal(size=300)
        roles = []
        for _ in range(3):
            correct = (hard + rng.normal(0, 0.1, (5, 1)) + rng.normal(size=(5, 300)) > -0.8).astype(float)
            roles.append(Scores(correct.mean(1), weights @ correct.T))
        passed += performance_gap_recovered(*roles, drawn).status in ("ok", "imprecise")
    assert passed / 300 <= 0.05


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_coverage_of_pgr(n_seeds):
    rng = np.random.default_rng(n_seeds)
    n_items, repetitions = 300, 300
    drawn = resample(None, n_items, n_seeds, draws=400)
    weights = drawn.item_weights / n_items
    covered = 0
    for _ in range(repetitions):
        shared, seed_effect = rng.normal(0, 0.5, n_items), rng.normal(0, 0.02, (n_seeds, 1))
        roles = []
        for mean in (0.0, 0.2, 0.5):
            values = mean + shared + seed_effect + rng.normal(0, 0.03, (n_seeds, 1))
            values = values + rng.normal(0, 0.5, n_items) + rng.normal(0, 0.5, (n_seeds, n_items))
            roles.append(Scores(values.mean(1), weights @ values.T))
        found = performance_gap_recovered(*roles, drawn)
        assert found.status in ("ok", "imprecise")
        covered += found.low <= 0.4 <= found.high
    assert 0.915 <= covered / repetitions <= 0.99


def test_median_keeps_what_rows_share():
    weak, student, ceiling, drawn = study(*CLEAR)
    row = performance_gap_recovered(weak, student, ceiling, drawn)
    refused = performance_gap_recovered(weak, student, ceiling, drawn, self_pair=True)
    found = median_pgr([row, row, refused])
    assert (found.value, found.low, found.high) == pytest.approx((row.value, row.low, row.high))
    assert (found.n_ok, found.n_no_gap, found.n_other) == (2, 0, 1)
    shifted = replace(row, value=row.value + 1, draws=row.draws + 1)
    assert median_pgr([row, shifted]).value == pytest.approx(row.value + 0.5)
    assert median_pgr([]).reason


def test_median_of_few_seeds_says_why_it_has_no_interval():
    weak, student, ceiling, drawn = study(*(role[:3] for role in CLEAR))
    row: PGR = performance_gap_recovered(weak, student, ceiling, drawn)
    found = median_pgr([row])
    assert (found.value, found.low) == (row.value, None)
    assert "seeds" in found.reason
