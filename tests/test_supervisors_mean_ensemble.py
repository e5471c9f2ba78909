"""Mean ensemble: the mean of its members, whoever comes first, and better than the best of independent ones."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.supervisors.mean_ensemble import MeanEnsemble, mean_of_members


def members(count: int, items: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), (count, items))


def test_value_by_hand():
    """(0.9 + 0.5 + 0.1) / 3 = 0.5 of class 0 for the first item; (0.2 + 0.2 + 0.8) / 3 = 0.4 for the second."""
    first = np.array([[0.9, 0.5, 0.1], [0.2, 0.2, 0.8]]).T
    assert mean_of_members(np.stack([first, 1 - first], -1)) == pytest.approx(np.array([[0.5, 0.5], [0.4, 0.6]]))


def test_against_an_independent_restatement():
    given = members(4, 50, 3)
    wanted = [[sum(given[k][i][c] for k in range(4)) / 4 for c in range(3)] for i in range(50)]
    assert mean_of_members(given) == pytest.approx(np.array(wanted), abs=1e-15)


def test_mean_of_equal_members_is_the_member():
    (one,) = members(1, 30, 4)
    assert mean_of_members(np.stack([one] * 4)) == pytest.approx(one, abs=1e-15)


def test_order_of_members_does_not_count_and_that_of_items_and_classes_is_kept():
    given = members(3, 20, 3)
    wanted = mean_of_members(given)
    assert mean_of_members(given[[2, 0, 1]]) == pytest.approx(wanted, abs=1e-15)
    assert np.array_equal(mean_of_members(given[:, ::-1]), wanted[::-1])
    assert np.array_equal(mean_of_members(given[:, :, [1, 2, 0]]), wanted[:, [1, 2, 0]])
    assert wanted.sum(1) == pytest.approx(1)


def test_independent_members_beat_the_best_of_them():
    """Five members see the truth through noise of their own: their mean is right at least 0.15 more often."""
    generator = np.random.default_rng(0)
    gold = generator.integers(3, size=4000)
    logits = 1.5 * np.eye(3)[gold] + 1.5 * generator.normal(size=(5, 4000, 3))
    told = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    best = max((one.argmax(1) == gold).mean() for one in told)
    assert (mean_of_members(told).argmax(1) == gold).mean() > best + 0.15


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_members_are_refused(count):
    with pytest.raises(ValueError, match=f"members must be at least two models, found {count}"):
        MeanEnsemble(("a",)[:count])


def test_sees_no_truth():
    assert MeanEnsemble.truth == "none"
