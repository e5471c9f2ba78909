"""Flipped truth: the weak labels' error rates, none of their structure."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.supervise.flipped_truth import confusion_counts, confusion_rates, flipped_truth
from trimtab.supervise.gold import gold_labels, one_hot
from trimtab.types import Labels

IDS = tuple(f"i{i}" for i in range(3000))


def weak_labels(predicted: np.ndarray, classes: int) -> Labels:
    """Return soft labels whose largest probability is at `predicted`."""
    soft = 0.6 * one_hot(predicted, classes) + 0.4 / classes
    return Labels(IDS[: len(predicted)], soft, np.ones(len(predicted)))


def truth(gold: np.ndarray, classes: int) -> Labels:
    return gold_labels(IDS[: len(gold)], gold, classes, "oracle")


def test_confusion_by_hand():
    """Class 0: three of four right, one called 2. Class 1: both wrong, called 0 and 2. Class 2 does not occur."""
    gold, weak = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 2, 0, 2])
    assert confusion_rates(confusion_counts(gold, weak, 3)).tolist() == [[0.75, 0, 0.25], [0.5, 0, 0.5], [0, 0, 1]]


def test_expected_error_rates_per_class():
    """Two classes with error rates 0.1 and 0.3; over 200 seeds of 2,000 items the mean rate is that within 0.005."""
    gold = np.arange(2000) % 2
    weak = gold.copy()
    weak[np.flatnonzero(gold == 0)[:100]] = 1
    weak[np.flatnonzero(gold == 1)[:300]] = 0
    wrong = np.zeros(2)
    for seed in range(200):
        drawn = flipped_truth(truth(gold, 2), weak_labels(weak, 2), seed).probabilities.argmax(1)
        wrong += [(drawn[gold == c] != c).mean() for c in (0, 1)]
    np.testing.assert_allclose(wrong / 200, [0.1, 0.3], atol=0.005)


def test_confusion_of_several_classes_is_reproduced_row_by_row():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 4, 3000)
    rows = np.array([[0.7, 0.3, 0, 0], [0.1, 0.5, 0.2, 0.2], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]])
    weak = np.array([rng.choice(4, p=rows[y]) for y in gold])
    wanted = confusion_rates(confusion_counts(gold, weak, 4))
    found = np.mean(
        [
            confusion_rates(
                confusion_counts(
                    gold, flipped_truth(truth(gold, 4), weak_labels(weak, 4), s).probabilities.argmax(1), 4
                )
            )
            for s in range(100)
        ],
        axis=0,
    )
    np.testing.assert_allclose(found, wanted, atol=0.01)
    # a confusion that never happened never happens here either
    assert (found[wanted == 0] == 0).all()


def test_perfect_labels_never_flip():
    gold = np.random.default_rng(1).integers(0, 3, 500)
    for seed in range(50):
        found = flipped_truth(truth(gold, 3), weak_labels(gold, 3), seed)
        assert np.array_equal(found.probabilities, one_hot(gold, 3))


def test_labels_that_are_always_wrong_always_flip():
    gold = np.arange(100) % 2
    found = flipped_truth(truth(gold, 2), weak_labels(1 - gold, 2), 0)
    assert np.array_equal(found.probabilities.argmax(1), 1 - gold)


def test_which_items_the_supervisor_got_wrong_does_not_matter():
    """The flips have the supervisor's rate of 0.2 on the items that it got wrong as on those that it got right."""
    gold = np.zeros(1000, dtype=int)
    gold[500:] = 1
    weak = gold.copy()
    weak[:100] = 1
    weak[500:600] = 0
    flips = np.mean(
        [flipped_truth(truth(gold, 2), weak_labels(weak, 2), s).probabilities.argmax(1) != gold for s in range(200)],
        axis=0,
    )
    assert flips[weak != gold].mean() == pytest.approx(0.2, abs=0.01)
    assert flips[weak == gold].mean() == pytest.approx(0.2, abs=0.01)


def test_is_marked_repeatable_and_drawn_by_seed():
    gold = np.arange(400) % 2
    weak = np.where(np.arange(400) % 5 == 0, 1 - gold, gold)
    one, again, other = (flipped_truth(truth(gold, 2), weak_labels(weak, 2), seed) for seed in (3, 3, 4))
    assert one.truth == "oracle"
    assert one.ids == IDS[:400]
    assert (one.weights == 1).all()
    assert np.array_equal(one.probabilities, again.probabilities)
    assert not np.array_equal(one.probabilities, other.probabilities)
    assert set(np.unique(one.probabilities)) == {0.0, 1.0}
