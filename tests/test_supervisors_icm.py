"""ICM: leave-one-out by brute force, the utility, a planted truth that it must find, and one that it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.supervisors.icm import InternalCoherence, annealed, coherence, leave_one_out, ridge_answers
from trimtab.types import ModelSpec


def planted(gap: float, seed: int = 0, items: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return states in which the truth lies along one direction, and the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.permutation(np.arange(items) % 2)
    states = generator.normal(size=(items, 8))
    states[:, 2] += gap * (2 * truth - 1)
    return states, truth


def test_leave_one_out_equals_refitting_without_the_item():
    """Ridge with a free intercept on the others, in the features of all: solved anew for each item."""
    states, truth = planted(1.0, items=30)
    signs = 2.0 * truth - 1
    x = (states - states.mean(0)) / states.std(0) / np.sqrt(states.shape[1])
    wanted = []
    for item in range(len(x)):
        rest = np.arange(len(x)) != item
        with_one = np.column_stack([x[rest], np.ones(rest.sum())])
        penalty = np.diag([0.7] * x.shape[1] + [0.0])
        w = np.linalg.solve(with_one.T @ with_one + penalty, with_one.T @ signs[rest])
        wanted.append(np.append(x[item], 1) @ w)
    np.testing.assert_allclose(leave_one_out(states, 0.7) @ signs, wanted, atol=1e-9)


def test_answers_to_other_items_are_those_of_the_same_regression():
    states, truth = planted(1.0, items=40)
    signs = 2.0 * truth - 1
    mean, deviation = states.mean(0), states.std(0)
    x = (states - mean) / deviation / np.sqrt(8)
    other = np.random.default_rng(3).normal(size=(5, 8))
    w = np.linalg.solve(x.T @ x + 0.7 * np.eye(8), x.T @ (signs - signs.mean()))
    wanted = (other - mean) / deviation / np.sqrt(8) @ w + signs.mean()
    np.testing.assert_allclose(ridge_answers(states, signs, other, 0.7), wanted, atol=1e-9)


def test_coherence_by_hand():
    """Two items, g = 2: log sigmoid(2 * 1 * .5) + log sigmoid(2 * -1 * .25) = -.3133 - .9741."""
    found = coherence(np.array([1.0, -1.0]), np.array([0.5, 0.25]), 2.0)
    assert found == pytest.approx(-np.log1p(np.exp(-1)) - np.log1p(np.exp(0.5)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_a_planted_truth_from_a_bad_beginning(seed):
    """The beginning is right for 70 % of the items; measured 0.97 to 0.99 after the search."""
    states, truth = planted(2.5, seed)
    generator = np.random.default_rng(seed)
    first = np.where(generator.random(len(truth)) < 0.7, truth, 1 - truth)
    found = annealed(leave_one_out(states, 1.0), first, 4.0, 3, generator)
    assert (found == truth).mean() > 0.95


def test_fails_visibly_where_nothing_is_planted():
    """States that say nothing: the labels cohere with the states, and are right for about half of the items."""
    states, truth = planted(0.0)
    first = np.random.default_rng(1).permutation(truth)
    found = annealed(leave_one_out(states, 1.0), first, 4.0, 3, np.random.default_rng(0))
    assert 0.35 < (found == truth).mean() < 0.65


def test_the_class_balance_stays():
    """Labels of one class only would explain each other best: exchanges keep the count of the beginning."""
    states, truth = planted(0.3)
    first = truth.copy()
    first[:40] = 1
    found = annealed(leave_one_out(states, 1.0), first, 4.0, 2, np.random.default_rng(0))
    assert found.sum() == first.sum() != truth.sum()


def test_one_class_only_is_no_beginning():
    states, _ = planted(1.0)
    with pytest.raises(FitError, match="gives all items the same answer"):
        annealed(leave_one_out(states, 1.0), np.zeros(200, int), 4.0, 1, np.random.default_rng(0))


@pytest.mark.parametrize("refused", [{"ridge": 0.0}, {"sharpness": -1.0}, {"sweeps": 0}])
def test_bad_settings_are_refused(refused):
    with pytest.raises(ValueError, match=next(iter(refused))):
        InternalCoherence(ModelSpec("m"), **refused)
