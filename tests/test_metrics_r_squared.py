"""R squared: by hand, weighted, and where it is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.metrics.r_squared import r_squared, r_squared_interval
from trimtab.metrics.resample import resample

TARGETS = np.array([1.0, 3.0, 5.0, 3.0])
VALUES = np.array([1.0, 2.0, 5.0, 3.0])


def test_by_hand_and_by_weights() -> None:
    # spread 8, error 1; without the last item 8 and 1; the second alone does not vary
    weights = np.array([[1.0, 1, 1, 1], [1, 1, 1, 0], [0, 2, 0, 2], [2, 0, 2, 0]])
    assert r_squared(VALUES, TARGETS, weights).tolist() == pytest.approx([7 / 8, 7 / 8, np.nan, 1.0], nan_ok=True)
    doubled = np.repeat(np.arange(4), [1, 2, 3, 1])
    assert r_squared(VALUES, TARGETS, np.array([[1.0, 2, 3, 1]])) == pytest.approx(
        r_squared(VALUES[doubled], TARGETS[doubled], np.ones((1, 7)))
    )


def test_the_mean_explains_nothing_and_worse_is_less_than_nothing() -> None:
    once = np.ones((1, 4))
    assert r_squared(np.full(4, 3.0), TARGETS, once)[0] == pytest.approx(0.0)
    assert r_squared(-TARGETS, TARGETS, once)[0] < -5


def test_intervals_hold_the_value_and_groups_widen_them() -> None:
    random = np.random.default_rng([3, 0xF])
    truth = np.repeat(random.normal(size=40), 10)
    said = truth + np.repeat(random.normal(size=40), 10)
    groups = np.repeat(np.arange(40), 10)
    alone = r_squared_interval(said, 2 * truth, resample(None, 400, 1))
    grouped = r_squared_interval(said, 2 * truth, resample(groups, 400, 1))
    ends = [end for one in (grouped, alone) for end in (one.low, one.mean, one.high) if end is not None]
    low, middle, high, narrow_low, same, narrow_high = ends
    assert low < narrow_low < middle < narrow_high < high
    assert middle == same


def test_equal_targets_have_no_value_but_a_reason() -> None:
    found = r_squared_interval(VALUES, np.full(4, 0.1), resample(None, 4, 1))
    assert (found.mean, found.low, found.high) == (None, None, None)
    assert found.reason == "all targets are equal: there is no variance to explain"
