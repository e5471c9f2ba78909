"""CCS: the loss and its slope, a planted truth that it must find, and one that it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from trimtab.supervisors.ccs import ContrastConsistent, answers, consistency_loss, contrast_consistent, oriented
from trimtab.types import ModelSpec


def planted(strength: float, seed: int = 0, items: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centred states after answer 1 and after answer 0, and the truth, which one direction holds.

    Along that direction the true answer lies at +strength and the false one at -strength, beside noise of deviation 1.
    """
    generator = np.random.default_rng(seed)
    truth = generator.integers(2, size=items)
    direction = np.zeros(16)
    direction[3] = strength
    sign = (2 * truth - 1)[:, None]
    positive, negative = (s * sign * direction + generator.normal(size=(items, 16)) for s in (1, -1))
    positive, negative = ((x - x.mean(0)) / x.std(0) for x in (positive, negative))
    return positive, negative, truth


def test_loss_by_hand():
    """w = 0, b = 0: p+ = p- = 1/2, consistent (1/2 + 1/2 - 1)^2 = 0, confident (1/2)^2 = 1/4."""
    x = np.ones((3, 2))
    assert consistency_loss(np.zeros(3), x, x, 1.0)[0] == pytest.approx(0.25)
    # w'x = 2 after answer 1 and -2 after answer 0: p+ = .8808, p- = .1192, min^2 = .01421
    found = consistency_loss(np.array([1.0, 1.0, 0.0]), x, -x, 0.0)[0]
    assert found == pytest.approx((1 / (1 + np.exp(2.0))) ** 2)


def test_slope_is_that_of_the_loss():
    positive, negative, _ = planted(1.0)
    at = np.random.default_rng(1).normal(size=17) / 4
    error = check_grad(
        lambda v: consistency_loss(v, positive, negative, 0.1)[0],
        lambda v: consistency_loss(v, positive, negative, 0.1)[1],
        at,
    )
    assert error < 1e-6


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_a_planted_truth_and_the_anchor_turns_it(seed):
    """Measured 1.00; the anchor is right for 65 % of the items only and nevertheless says which end is which."""
    positive, negative, truth = planted(3.0, seed)
    generator = np.random.default_rng(seed)
    found = answers(contrast_consistent(positive, negative, 0.01, 10, generator), positive, negative)
    anchor = np.where(generator.random(len(truth)) < 0.65, truth, 1 - truth).astype(float)
    turned = found if oriented(found, anchor) else 1 - found
    assert ((turned > 0.5) == truth).mean() > 0.97


def test_fails_visibly_where_nothing_is_planted():
    """States that say nothing about the answer: right for about half of the items, whichever way it is turned."""
    positive, negative, truth = planted(0.0)
    found = answers(contrast_consistent(positive, negative, 0.01, 5, np.random.default_rng(0)), positive, negative)
    assert 0.4 < ((found > 0.5) == truth).mean() < 0.6


def test_exchanging_the_answers_turns_the_labels():
    positive, negative, _ = planted(2.0)
    at = np.random.default_rng(1).normal(size=17)
    np.testing.assert_allclose(answers(at, positive, negative), 1 - answers(at, negative, positive))
    assert consistency_loss(at, positive, negative, 0.1)[0] == pytest.approx(
        consistency_loss(at, negative, positive, 0.1)[0]
    )


@pytest.mark.parametrize("refused", [{"decay": -1.0}, {"decay": np.inf}, {"starts": 0}])
def test_bad_settings_are_refused(refused):
    with pytest.raises(ValueError, match=next(iter(refused))):
        ContrastConsistent(ModelSpec("m"), **refused)
