"""Misfit against gain: students that are projections, for which the two are equal, and departures that are not."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.diagnostics.misfit import misfit_and_gain, misfit_json
from trimtab.diagnostics.per_item import means
from trimtab.metrics.intervals import resample


def supervisor() -> tuple[np.ndarray, np.ndarray]:
    """Return a supervisor with four beliefs, and gold that is class 1 in 7 of 10 items whatever the belief."""
    believed = np.repeat([0.35, 0.6, 0.8, 0.9], 40)
    gold = np.tile([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 16)
    return np.stack([1 - believed, believed], 1), gold


def constant(positive: float, count: int) -> np.ndarray:
    return np.tile([1 - positive, positive], (count, 1))


def test_the_closest_constant_in_squared_distance_gains_its_misfit() -> None:
    weak, gold = supervisor()
    student = constant(weak[:, 1].mean(), len(gold))
    misfit, gain = misfit_and_gain(student, weak, gold).mean(0)[2:]
    assert misfit == pytest.approx(2 * weak[:, 1].var())
    assert gain == pytest.approx(misfit)


def test_the_closest_constant_in_nats_gains_its_misfit() -> None:
    """argmin_p mean_i KL(p || q_i) is proportional to exp(mean_i log q_i); misfit and gain are -log of its sum."""
    weak, gold = supervisor()
    unnormalised = np.exp(np.log(weak).mean(0))
    student = np.tile(unnormalised / unnormalised.sum(), (len(gold), 1))
    misfit, gain = misfit_and_gain(student, weak, gold).mean(0)[:2]
    assert misfit == pytest.approx(-np.log(unnormalised.sum()))
    assert gain == pytest.approx(misfit)


def test_a_copy_neither_departs_nor_gains() -> None:
    weak, gold = supervisor()
    np.testing.assert_allclose(misfit_and_gain(weak, weak, gold), 0, atol=1e-15)


def test_a_departure_for_nothing_gains_less_than_it_departs() -> None:
    weak, gold = supervisor()
    student = weak[::-1]  # the same beliefs about other items, of which gold knows nothing
    columns = misfit_and_gain(student, weak, gold).mean(0)
    assert columns[0] > 0.1 and columns[2] > 0.05
    np.testing.assert_allclose(columns[[1, 3]], 0, atol=1e-12)


def test_intervals_hold_the_planted_values() -> None:
    weak, gold = supervisor()
    student = constant(weak[:, 1].mean(), len(gold))
    drawn = resample(None, len(gold), 2, 500)
    said = misfit_json(means(np.stack([misfit_and_gain(student, weak, gold)] * 2), drawn), drawn)
    squared = said["squared"]
    assert squared["misfit"]["low"] < 2 * weak[:, 1].var() < squared["misfit"]["high"]
    assert squared["gain_less_misfit"]["low"] < 0 < squared["gain_less_misfit"]["high"]


def test_a_certain_mistake_is_a_number() -> None:
    found = misfit_and_gain(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([1]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 2:], [2, -2])
