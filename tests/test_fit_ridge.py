"""Ridge regression: against the normal equations, limits, and a penalty that is chosen over groups."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.fit.ridge import choose_ridge, fit_ridge

RANDOM = np.random.default_rng([0, 0xE])
FEATURES = RANDOM.normal(3.0, 2.0, size=(40, 6)).astype(np.float32)
TARGETS = FEATURES[:, 0].astype(float) - 2.0 * FEATURES[:, 3] + RANDOM.normal(size=40)


def test_it_solves_the_normal_equations() -> None:
    """With an intercept column that carries no penalty, in float64."""
    z = (FEATURES - FEATURES.mean(0, dtype=float)) / FEATURES.std(0, dtype=float)
    design = np.column_stack([np.ones(40), z])
    for strength, found in zip((0.01, 3.0), fit_ridge(FEATURES, TARGETS, [0.01, 3.0]), strict=True):
        penalty = np.diag([0.0] + [strength] * 6)
        wanted = np.linalg.solve(design.T @ design / 40 + penalty, design.T @ TARGETS / 40)
        assert [found.bias, *found.weight] == pytest.approx(wanted, abs=1e-9)
        assert found.predict(FEATURES) == pytest.approx(design @ wanted, abs=1e-9)


def test_the_order_of_items_and_the_unit_of_features_do_not_matter() -> None:
    (found,) = fit_ridge(FEATURES, TARGETS, [0.1])
    order = RANDOM.permutation(40)
    (mixed,) = fit_ridge(FEATURES[order], TARGETS[order], [0.1])
    (scaled,) = fit_ridge(FEATURES * 8 + 16, TARGETS, [0.1])
    assert mixed.predict(FEATURES) == pytest.approx(found.predict(FEATURES), abs=1e-9)
    assert scaled.predict(FEATURES * 8 + 16) == pytest.approx(found.predict(FEATURES), abs=1e-4)


def test_no_penalty_fits_and_all_penalty_is_the_mean() -> None:
    line = np.array([[0.0], [1.0], [2.0]])
    weak, strong = fit_ridge(line, np.array([1.0, 3.0, 5.0]), [1e-12, 1e12])
    assert weak.predict(np.array([[10.0]]))[0] == pytest.approx(21.0)
    assert strong.predict(np.array([[10.0]]))[0] == pytest.approx(3.0)


def test_equal_targets_are_their_value_exactly_and_what_does_not_vary_has_no_weight() -> None:
    (found,) = fit_ridge(FEATURES, np.full(40, 0.1), [1e-3])
    assert set(found.predict(FEATURES * 100).tolist()) == {0.1}
    still = np.column_stack([FEATURES, np.full(40, 7.0)])
    (found,) = fit_ridge(still, TARGETS, [0.1])
    assert found.weight[6] == 0
    assert found.predict(still) == pytest.approx(fit_ridge(FEATURES, TARGETS, [0.1])[0].predict(FEATURES), abs=1e-9)


def test_more_features_than_items_can_be_fitted() -> None:
    wide = RANDOM.normal(size=(5, 50))
    (found,) = fit_ridge(wide, np.arange(5.0), [1e-6])
    assert found.predict(wide) == pytest.approx(np.arange(5.0), abs=1e-3)


def test_the_penalty_is_chosen_by_items_of_other_groups() -> None:
    """Each group has a target and features of its own: within groups all is known by heart, across them nothing."""
    groups = np.repeat(np.arange(12), 10)
    features = np.repeat(RANDOM.normal(size=(12, 20)), 10, axis=0)
    targets = np.repeat(RANDOM.normal(size=12), 10)
    told = choose_ridge(features, targets, groups, [1e-4, 1.0, 1e4], 3, seed=0)
    leaked = choose_ridge(features, targets, np.arange(120), [1e-4, 1.0, 1e4], 3, seed=0)
    assert (told.strength, leaked.strength) == (1e4, 1e-4)
    assert told.at_edge and leaked.at_edge
    assert told.held_out_error[1e4] < told.held_out_error[1e-4]


def test_of_equal_errors_the_stronger_penalty_is_taken() -> None:
    chosen = choose_ridge(FEATURES, np.full(40, 2.0), np.arange(40), [0.1, 10.0, 1.0], 4, seed=0)
    assert chosen.strength == 10.0
    assert set(chosen.held_out_error.values()) == {0.0}


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(FitError, match="0 targets"):
        fit_ridge(FEATURES[:0], TARGETS[:0], [1.0])
    with pytest.raises(FitError, match="wanted one or more finite ones"):
        fit_ridge(FEATURES, np.full(40, np.inf), [1.0])
    with pytest.raises(FitError, match=r"strengths are \[0.0\]"):
        fit_ridge(FEATURES, TARGETS, [0.0])
    with pytest.raises(FitError, match="2 groups of items cannot be put into 3 folds"):
        choose_ridge(FEATURES, TARGETS, np.arange(40) % 2, [1.0], 3, seed=0)
