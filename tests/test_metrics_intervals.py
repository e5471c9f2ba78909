"""The crossed bootstrap: coverage on simulated data, determinism, few seeds, small and constant data."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.metrics import METRICS
from trimtab.metrics.intervals import Scores, difference_interval, mean_interval, resample, score
from trimtab.metrics.metric import Metric


def binary(correct, gold=None):
    """Return probabilities whose answers are right where `correct` says so, and the gold."""
    correct = np.asarray(correct, dtype=bool)
    gold = np.arange(correct.shape[1]) % 2 if gold is None else gold
    positive = np.where(correct, gold, 1 - gold) * 0.8 + 0.1
    return np.stack([1 - positive, positive], -1), gold


# standard deviations of item effects, seed effects and item-by-seed noise
MIXES = {
    "items": (1.0, 0.0, 0.3),
    "seeds": (0.3, 0.2, 0.3),
    "mixed": (1.0, 0.08, 1.0),
    "noise": (0.4, 0.04, 1.5),
}


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
@pytest.mark.parametrize("mix", sorted(MIXES))
def test_coverage_of_the_mean(n_seeds, mix):
    of_items, of_seeds, of_noise = MIXES[mix]
    rng = np.random.default_rng([n_seeds, len(mix)])
    n_items, repetitions = 200, 500
    drawn = resample(None, n_items, n_seeds, draws=500)
    weights = drawn.item_weights / n_items
    covered = 0
    for _ in range(repetitions):
        values = (
            rng.normal(0, of_items, n_items)
            + rng.normal(0, of_seeds, (n_seeds, 1))
            + rng.normal(0, of_noise, (n_seeds, n_items))
        )
        interval = mean_interval(Scores(values.mean(1), weights @ values.T), drawn)
        covered += interval.low <= 0 <= interval.high
    # 92 to 98 % wanted; 500 repetitions move a true 95 % by 2 (two standard errors)
    assert 0.92 <= covered / repetitions <= 0.985


def test_coverage_of_a_paired_accuracy_difference():
    """Two binary classifiers share item difficulty and seeds; the true difference is known by integration."""
    rng = np.random.default_rng(5)
    n_items, n_seeds, repetitions = 300, 5, 400
    drawn = resample(None, n_items, n_seeds, draws=400)
    weights = drawn.item_weights / n_items
    truth_of = [_normal_cdf(shift / np.sqrt(1 + 1 + 0.15**2)) for shift in (1.0, 0.7)]
    covered = 0
    for _ in range(repetitions):
        difficulty = rng.normal(size=n_items)
        scores = []
        for shift in (1.0, 0.7):
            latent = shift + difficulty + rng.normal(0, 0.15, (n_seeds, 1)) + rng.normal(size=(n_seeds, n_items))
            correct = (latent > 0).astype(float)
            scores.append(Scores(correct.mean(1), weights @ correct.T))
        interval = difference_interval(*scores, drawn)
        covered += interval.low <= truth_of[0] - truth_of[1] <= interval.high
    assert 0.92 <= covered / repetitions <= 0.985


def _normal_cdf(x):
    from statistics import NormalDist

    return NormalDist().cdf(float(x))


def test_scores_are_the_metric_on_the_drawn_items():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], size=(2, 40))
    gold = rng.integers(0, 3, 40)
    drawn = resample(None, 40, 2, draws=20)
    for metric in METRICS.values():
        scores = score(metric, probabilities, gold, drawn)
        for draw in range(20):
            copies = np.repeat(np.arange(40), drawn.item_weights[draw])
            expected = [metric.function(p[copies], gold[copies], np.ones((1, 40)))[0] for p in probabilities]
            np.testing.assert_allclose(scores.draws[draw], expected, atol=1e-12)


def test_chunks_change_nothing(monkeypatch):
    correct = np.random.default_rng(1).random((3, 30)) < 0.7
    drawn = resample(None, 30, 3, draws=50)
    whole = score(METRICS["auroc"], *binary(correct), drawn)
    monkeypatch.setattr("trimtab.metrics.resample.CHUNK_ENTRIES", 70)
    assert np.array_equal(score(METRICS["auroc"], *binary(correct), drawn).draws, whole.draws)


def test_crossed_interval_restated():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(6, 80)) + rng.normal(size=(6, 1))
    drawn = resample(None, 80, 6, draws=300)
    scores = Scores(values.mean(1), drawn.item_weights / 80 @ values.T)
    point, draws = scores.point, scores.draws
    noise = np.mean([np.var(draws[:, s] - draws.mean(1)) for s in range(6)]) * 6 / 5
    kept = max(0.25, 1 - noise / np.var(point, ddof=1))
    c = np.sqrt(6 / 5 * kept) * 2.570581835636314 / 1.959963984540054  # t with 5 degrees of freedom, normal
    means = [draws[d].mean() + c * (np.repeat(point, drawn.seed_weights[d]).mean() - point.mean()) for d in range(300)]
    found = mean_interval(scores, drawn)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)
    assert found.method == "crossed"
    assert found.reason is None


def test_two_seeds_without_item_variance_give_the_t_interval():
    drawn = resample(None, 10, 2, draws=50)
    scores = Scores(np.array([0.5, 0.7]), np.tile([0.5, 0.7], (50, 1)))
    found = mean_interval(scores, drawn)
    half = 12.706204736432095 * 0.1  # t with 1 degree of freedom times s / sqrt(2) = 0.1
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half))
    assert found.method == "crossed_t"
    assert "2 seeds" in found.reason


def test_one_seed_is_marked():
    drawn = resample(None, 100, 1)
    found = mean_interval(score(METRICS["accuracy"], *binary(np.arange(100)[None] < 80), drawn), drawn)
    assert found.method == "items_only"
    assert "One seed" in found.reason
    # binomial: 0.8 +- 1.96 sqrt(.8 * .2 / 100) = [.722, .878]
    assert found.low == pytest.approx(0.722, abs=0.015)
    assert found.high == pytest.approx(0.878, abs=0.015)


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
def test_twenty_right_of_twenty_have_an_exact_binomial_interval(n_seeds):
    """No draw holds an error, but a share r with r^20 = 0.025 would still give 20 right ones: r = 0.025^(1/20)."""
    drawn = resample(None, 20, n_seeds, draws=100)
    found = mean_interval(score(METRICS["accuracy"], *binary(np.ones((n_seeds, 20))), drawn), drawn)
    assert (found.mean, found.low, found.high) == (1.0, pytest.approx(0.025 ** (1 / 20)), 1.0)


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_five_items_run(n_seeds, name):
    correct = np.random.default_rng(3).random((n_seeds, 5)) < 0.6
    drawn = resample(None, 5, n_seeds)
    scores = score(METRICS[name], *binary(correct), drawn)
    found = mean_interval(scores, drawn)
    assert 0 <= found.low <= found.high <= 1
    if name == "auroc":  # gold 0 1 0 1 0: a draw lacks a class with chance (2/5)^5 + (3/5)^5 = 8.8 %
        assert scores.undefined_draws == pytest.approx(176, abs=50)
        assert f"{scores.undefined_draws} of 2000 draws" in found.reason
    assert all(not (isinstance(v, float) and np.isnan(v)) for v in found.to_json().values())


def test_metric_without_a_value_has_none_and_a_reason():
    drawn = resample(None, 6, 5, draws=100)
    probabilities, gold = binary(np.ones((5, 6)), gold=np.zeros(6, dtype=int))
    found = mean_interval(score(METRICS["auroc"], probabilities, gold, drawn), drawn)
    assert (found.mean, found.low, found.high) == (None, None, None)
    assert found.reason


def test_mostly_undefined_draws_have_no_ends():
    drawn = resample(None, 3, 1)
    scores = score(METRICS["auroc"], np.eye(3)[None], np.arange(3), drawn)
    found = mean_interval(scores, drawn)
    assert scores.undefined_draws == pytest.approx(2000 * 21 / 27, abs=60)  # all 3 of 3 drawn with chance 3! / 27
    assert (found.mean, found.low, found.high) == (1.0, None, None)
    assert "undefined" in found.reason


def test_resample_is_deterministic_and_seeded():
    first, again, other = (resample(None, 50, 5, draws=30, seed=s) for s in (0, 0, 1))
    assert np.array_equal(first.item_weights, again.item_weights)
    assert np.array_equal(first.seed_weights, again.seed_weights)
    assert not np.array_equal(first.item_weights, other.item_weights)
    assert (first.item_weights.sum(1) == 50).all()
    assert (first.seed_weights.sum(1) == 5).all()


def test_groups_are_drawn_whole():
    groups = ["a", "b", "a", "c", "b", "a"]
    drawn = resample(groups, 6, 2, draws=40)
    assert drawn.n_groups == 3
    weights = drawn.item_weights
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_groups_widen_the_interval():
    correct = np.repeat(np.random.default_rng(4).random(50) < 0.7, 10)[None]
    alone, grouped = resample(None, 500, 1), resample([str(i // 10) for i in range(500)], 500, 1)
    width = [
        (lambda i: i.high - i.low)(mean_interval(score(METRICS["accuracy"], *binary(correct), r), r))
        for r in (alone, grouped)
    ]
    assert width[1] / width[0] == pytest.approx(np.sqrt(10), rel=0.15)


FIVE_RIGHT = [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
FIVE_WRONG = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]


def test_difference_is_antisymmetric_and_zero_with_itself():
    rng = np.random.default_rng(6)
    drawn = resample(None, 60, 3)
    a, b = (score(METRICS["accuracy"], *binary(rng.random((3, 60)) < q), drawn) for q in (0.8, 0.6))
    ab, ba = difference_interval(a, b, drawn), difference_interval(b, a, drawn)
    assert (ab.mean, ab.low, ab.high) == pytest.approx((-ba.mean, -ba.high, -ba.low))
    same = difference_interval(a, a, drawn)
    unseen = 1 - 0.025 ** (1 / 60)  # a share of items that would divide the two and shows on none of 60
    assert (same.mean, same.low, same.high) == (0, pytest.approx(-unseen), pytest.approx(unseen))


def test_differences_end_where_scores_do():
    drawn = resample(None, 5, 2)
    right, wrong = (score(METRICS["accuracy"], *binary(np.array(rows)), drawn) for rows in (FIVE_RIGHT, FIVE_WRONG))
    found = difference_interval(right, wrong, drawn)
    assert -1 <= found.low <= found.high == 1
    assert found.mean == pytest.approx(0.8)


def test_bad_input_is_refused():
    drawn = resample(None, 10, 2, draws=5)
    probabilities, gold = binary(np.ones((2, 10)))
    with pytest.raises(ValueError, match="do not fit"):
        score(METRICS["accuracy"], probabilities[:1], gold, drawn)
    with pytest.raises(ValueError, match="do not fit"):
        score(METRICS["accuracy"], probabilities, gold[:9], drawn)
    with pytest.raises(ValueError, match="not a finite number"):
        score(METRICS["accuracy"], probabilities * np.nan, gold, drawn)
    with pytest.raises(ValueError, match="3 groups for 10 items"):
        resample(["a", "b", "c"], 10, 2)
    with pytest.raises(ValueError, match="at least one"):
        resample(None, 0, 2)
    other = score(METRICS["accuracy"], probabilities, gold, resample(None, 10, 2, draws=6))
    with pytest.raises(ValueError, match="same resample"):
        difference_interval(score(METRICS["accuracy"], probabilities, gold, drawn), other, drawn)


def test_bounds_come_from_the_metric():
    def negative(probabilities, gold, weights):
        return -(weights @ (probabilities[:, 1] != gold)) / weights.sum(1)

    drawn = resample(None, 30, 2, draws=50)
    metric = Metric("loss", negative, True, True, "Loss", bounds=(-1.0, 0.0))
    found = mean_interval(score(metric, *binary(np.random.default_rng(0).random((2, 30)) < 0.5), drawn), drawn)
    assert -1 <= found.low <= found.high <= 0
