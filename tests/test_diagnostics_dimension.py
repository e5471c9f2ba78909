"""Intrinsic dimension: cubes of known dimension in a larger space, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.diagnostics.dimension import dimension_json, participation_ratio, two_nearest


def cube(dimension: int, items: int = 1500, hidden: int = 40, seed: int = 0) -> np.ndarray:
    """Return points spread evenly over a cube, turned into a larger space and moved away from 0."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(hidden, dimension)))[0]
    return (generator.random((items, dimension)) @ basis.T + 5).astype(np.float32)


@pytest.mark.parametrize("dimension, borders", [(1, 0.05), (2, 0.08), (4, 0.15)])
def test_a_cube_has_the_dimension_it_was_made_with(dimension: int, borders: float) -> None:
    """Beside the interval, borders bend the estimate: items at a face have their neighbours on one side."""
    found = dimension_json(cube(dimension))
    assert found["mean"] == pytest.approx(dimension, rel=borders)
    assert found["low"] < found["mean"] < found["high"]
    # sqrt(n) relative error: 1.96 / sqrt(1500) = 5 % to each side
    assert found["high"] - found["low"] == pytest.approx(2 * 0.0506 * found["mean"], rel=0.05)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """On ratios that follow the law exactly: log mu is exponential with rate d."""
    from scipy.stats import chi2

    generator = np.random.default_rng(0)
    sums = generator.exponential(1 / 3.0, size=(2000, 50)).sum(1)
    low, high = (chi2.ppf(tail, 100) / (2 * sums) for tail in (0.025, 0.975))
    assert 0.93 < ((low < 3) & (high > 3)).mean() < 0.97


def test_scale_rotation_and_copies_change_nothing() -> None:
    values = cube(3, 400)
    wanted = dimension_json(values)["mean"]
    assert dimension_json(values * 7)["mean"] == pytest.approx(wanted, rel=1e-4)
    assert dimension_json(np.concatenate([values, values[:50]]))["mean"] == pytest.approx(wanted, rel=1e-4)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 40)))[0].astype(np.float32)
    assert dimension_json(values @ turn)["mean"] == pytest.approx(wanted, rel=1e-3)


def test_neighbours_by_hand() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_allclose(two_nearest(points), [[1, 3], [1, 2], [2, 3], [4, 6]])


@pytest.mark.parametrize("variances, wanted", [([1, 1, 1, 1], 4), ([1, 0, 0, 0], 1), ([2, 1, 1, 0], 16 / 6)])
def test_participation_ratio_by_hand(variances: list[float], wanted: float) -> None:
    corners = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).T  # columns are orthogonal
    values = np.concatenate([corners, -corners]) * np.sqrt(variances)
    assert participation_ratio(values) == pytest.approx(wanted)


def test_what_has_no_dimension_says_why() -> None:
    assert "too few" in dimension_json(np.ones((100, 3), np.float32))["reason"]
    grid = np.arange(64.0)[:, None]
    assert dimension_json(grid)["mean"] > 20  # of a grid on a line only the two ends have different neighbours
