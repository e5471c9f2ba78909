"""Score functions: values by hand, independent restatements, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.metrics import METRICS
from trimtab.metrics.calibration import BINS, calibration_curve


def some_predictions(seed: int, items: int, classes: int, *, ties: bool = False):
    """Return random probabilities and a gold that holds every class; ties come from rounding to tenths."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), size=items)
    if ties:
        probabilities = np.round(probabilities * 10) + 0.5
        probabilities /= probabilities.sum(1, keepdims=True)
    gold = rng.permutation(np.arange(items) % classes)
    return probabilities, gold


def value(name: str, probabilities, gold) -> float:
    return float(METRICS[name].function(probabilities, gold, np.ones((1, len(gold))))[0])


ALL = sorted(METRICS)
CASES = st.tuples(st.integers(0, 10_000), st.integers(6, 60), st.integers(2, 4), st.booleans())


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(case=CASES)
def test_order_of_items_does_not_matter(name, case):
    seed, items, classes, ties = case
    probabilities, gold = some_predictions(seed, items, classes, ties=ties)
    order = np.random.default_rng(seed + 1).permutation(items)
    assert value(name, probabilities[order], gold[order]) == pytest.approx(value(name, probabilities, gold), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(case=CASES)
def test_weights_mean_copies(name, case):
    seed, items, classes, ties = case
    probabilities, gold = some_predictions(seed, items, classes, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 3, size=(4, items)).astype(float)
    weights[:, :classes] += [[gold.tolist().index(c) < items for c in range(classes)]]
    found = METRICS[name].function(probabilities, gold, weights)
    for row, one in zip(weights.astype(int), found, strict=True):
        copies = np.repeat(np.arange(items), row)
        expected = value(name, probabilities[copies], gold[copies])
        np.testing.assert_allclose(one, expected, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("ties", [False, True])
def test_twice_the_data_is_the_same_value(name, ties):
    probabilities, gold = some_predictions(3, 41, 3, ties=ties)
    twice = value(name, np.concatenate([probabilities, probabilities]), np.concatenate([gold, gold]))
    assert twice == pytest.approx(value(name, probabilities, gold), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_renaming_classes_changes_nothing(name):
    probabilities, gold = some_predictions(4, 60, 3)
    order = np.array([2, 0, 1])
    renamed = np.argsort(order)[gold]
    assert value(name, probabilities[:, order], renamed) == pytest.approx(value(name, probabilities, gold), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_scikit_learn(classes, ties):
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

    probabilities, gold = some_predictions(5, 200, classes, ties=ties)
    answer = probabilities.argmax(1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert value("accuracy", probabilities, gold) == pytest.approx(accuracy_score(gold, answer), abs=1e-12)
    assert value("balanced_accuracy", probabilities, gold) == pytest.approx(
        balanced_accuracy_score(gold, answer), abs=1e-12
    )
    assert value("macro_f1", probabilities, gold) == pytest.approx(f1_score(gold, answer, average="macro"), abs=1e-12)
    assert value("auroc", probabilities, gold) == pytest.approx(
        roc_auc_score(gold, scores, multi_class="ovr"), abs=1e-12
    )


def test_auroc_counts_pairs():
    probabilities, gold = some_predictions(6, 50, 2, ties=True)
    weights = np.random.default_rng(0).integers(0, 4, size=50).astype(float)
    s, total, wins = probabilities[:, 1], 0.0, 0.0
    for i in np.flatnonzero(gold == 1):
        for j in np.flatnonzero(gold == 0):
            pair = weights[i] * weights[j]
            total += pair
            wins += pair * (1.0 if s[i] > s[j] else 0.5 if s[i] == s[j] else 0.0)
    assert METRICS["auroc"].function(probabilities, gold, weights[None])[0] == pytest.approx(wins / total, abs=1e-12)


def test_ece_by_hand():
    # 30 items, two per bin: confidences .51, .52, .53, ... ; only the first bin's answers are wrong
    confidence = 0.51 + 0.01 * np.arange(30)
    gold = np.ones(30, dtype=int)
    gold[:2] = 0
    probabilities = np.stack([1 - confidence, confidence], 1)
    expected = (0.515 + sum(1 - confidence[2 * b : 2 * b + 2].mean() for b in range(1, 15))) / 15
    assert value("ece", probabilities, gold) == pytest.approx(expected, abs=1e-12)


def test_ece_of_equal_confidence_is_one_bin():
    probabilities = np.tile([0.3, 0.7], (40, 1))
    gold = np.array([1] * 30 + [0] * 10)
    assert value("ece", probabilities, gold) == pytest.approx(0.05, abs=1e-12)
    assert [point.n for point in calibration_curve(probabilities, gold)] == [40]


@pytest.mark.parametrize(("items", "ties"), [(2000, False), (7, False), (333, True)])
def test_calibration_curve_gives_the_ece(items, ties):
    probabilities, gold = some_predictions(7, items, 3, ties=ties)
    curve = calibration_curve(probabilities, gold)
    assert sum(point.n for point in curve) == items
    assert len(curve) <= min(BINS, items)
    if not ties and items > BINS:
        assert {point.n for point in curve} <= {items // BINS, items // BINS + 1}
    ece = sum(point.n * abs(point.accuracy - point.confidence) for point in curve) / items
    assert value("ece", probabilities, gold) == pytest.approx(ece, abs=1e-12)


def test_brier_of_two_classes_is_the_squared_error():
    probabilities, gold = some_predictions(8, 30, 2)
    assert value("brier", probabilities, gold) == pytest.approx(np.mean((probabilities[:, 1] - gold) ** 2), abs=1e-12)


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1", "auroc"])
@pytest.mark.parametrize("classes", [2, 3])
def test_missing_class_is_nan_only_in_its_draw(name, classes):
    probabilities, gold = some_predictions(9, 12, classes)
    weights = np.ones((2, 12))
    weights[1, gold == 0] = 0
    found = METRICS[name].function(probabilities, gold, weights)
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


@pytest.mark.parametrize("name", ALL)
def test_no_weight_at_all_is_nan(name):
    probabilities, gold = some_predictions(9, 12, 2)
    assert np.isnan(METRICS[name].function(probabilities, gold, np.zeros((1, 12)))).all()


def test_perfect_and_inverted_predictions():
    gold = np.array([0, 1, 1, 0, 1])
    perfect = np.eye(2)[gold]
    for name, metric in METRICS.items():
        best, worst = (1.0, 0.0) if metric.higher_is_better else (0.0, 1.0)
        assert value(name, perfect, gold) == best
        assert value(name, 1 - perfect, gold) == worst


def test_table():
    assert all(name == metric.name for name, metric in METRICS.items())
    assert not METRICS["ece"].pgr
    assert METRICS["brier"].pgr
    assert not METRICS["brier"].higher_is_better
