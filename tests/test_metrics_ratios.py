"""A ratio of seed means: the mean is the ratio, the spread that of a large simulation, and zeros are said."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.metrics.intervals import Scores
from trimtab.metrics.ratios import ratio_of_means


def scores(point: list[float], draws: list[list[float]]) -> Scores:
    return Scores(np.array(point), np.array(draws))


def test_the_mean_over_seeds_is_the_ratio_of_the_means_by_hand() -> None:
    found = ratio_of_means(scores([1, 3], [[1, 1], [0, 2]]), scores([4, 4], [[2, 6], [0, 0]]), (0, 1))
    assert found.point.tolist() == [0.25, 0.75] and found.bounds == (0, 1)  # .5 + (1 - .5 x 4) / 4, .5 + (3 - 2) / 4
    assert found.draws[0].mean() == pytest.approx(2 / 8)
    assert np.isnan(found.draws[1]).all()


def test_a_seed_with_nothing_in_its_denominator_adds_nothing() -> None:
    found = ratio_of_means(scores([0, 2, 1], [[0, 2, 1]]), scores([0, 3, 3], [[0, 3, 3]]))
    assert found.point.mean() == pytest.approx(0.5) and found.point[0] == pytest.approx(0.5)


def test_one_seed_is_its_own_ratio() -> None:
    found = ratio_of_means(scores([2], [[1], [3]]), scores([4], [[4], [4]]))
    np.testing.assert_allclose(found.point, [0.5])
    np.testing.assert_allclose(found.draws[:, 0], [0.25, 0.75])


def test_the_spread_over_seeds_is_the_spread_of_the_ratio() -> None:
    """Twenty seeds with ratios that differ: the standard error of their scores is that of repeating the study."""
    generator = np.random.default_rng(0)

    def study() -> tuple[np.ndarray, np.ndarray]:
        bottom = generator.uniform(0.5, 1.5, 20)
        return bottom * generator.uniform(0.2, 0.6, 20), bottom

    repeated = [top.mean() / bottom.mean() for top, bottom in (study() for _ in range(4000))]
    errors = []
    for _ in range(200):
        top, bottom = study()
        found = ratio_of_means(*(scores(list(one), [list(one)]) for one in (top, bottom)))
        errors.append(found.point.std(ddof=1))
    assert np.mean(errors) / 20**0.5 == pytest.approx(np.std(repeated), rel=0.06)
