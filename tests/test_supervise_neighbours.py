"""Neighbours: who they are, in which order, with ties, across blocks, and when there are too few."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.supervise import neighbours
from trimtab.supervise.neighbours import nearest, standardised


def brute(states: np.ndarray, k: int) -> list[list[int]]:
    """Return each item's neighbours by sorting all distances, equal ones by position."""
    found = []
    for i, one in enumerate(states):
        distances = [(float(((one - other) ** 2).sum()), j) for j, other in enumerate(states) if j != i]
        found.append([j for _, j in sorted(distances)[:k]])
    return found


def test_neighbours_on_a_line_by_hand():
    """At 0, 1, 3 and 7: the nearest of 3 are 1 (2 away), then 0 (3 away); of 7, 3 and 1."""
    states = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert nearest(states, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


@pytest.mark.parametrize(("items", "k"), [(40, 1), (40, 7), (40, 39), (300, 10)])
def test_against_all_distances(items, k):
    states = np.random.default_rng([items, k]).normal(size=(items, 5)).astype(np.float32).astype(np.float64)
    assert nearest(states, k).tolist() == brute(states, k)


def test_blocks_change_nothing(monkeypatch):
    states = np.random.default_rng(0).normal(size=(100, 3))
    whole = nearest(states, 6)
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    assert np.array_equal(nearest(states, 6), whole)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_ties_go_to_the_earlier_item(k):
    """Corners of a simplex are all as far from each other; so are copies of two points."""
    for states in (np.eye(50), np.array([[0.0], [4.0]] * 25)):
        assert nearest(states, k).tolist() == brute(states, k)


def test_grids_are_full_of_ties():
    """Whole numbers: every distance is exact."""
    states = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2)
    for k in (2, 5, 30):
        assert nearest(states, k).tolist() == brute(states, k)


def test_no_item_is_its_own_neighbour_even_among_copies():
    found = nearest(np.zeros((20, 3)), 5)
    assert (found != np.arange(20)[:, None]).all()


def test_moving_and_turning_all_items_changes_nothing():
    rng = np.random.default_rng(2)
    states = rng.normal(size=(80, 4))
    turned = states @ np.linalg.qr(rng.normal(size=(4, 4)))[0] * 3 + 5
    assert np.array_equal(nearest(turned, 5), nearest(states, 5))


@pytest.mark.parametrize(("items", "k"), [(5, 5), (5, 6), (1, 1), (0, 1)])
def test_too_few_items_are_an_error(items, k):
    with pytest.raises(FitError, match=f"{k} neighbours cannot be found among {items} items; use a smaller k"):
        nearest(np.zeros((items, 2)), k)


def test_standardised_by_hand():
    """0 and 4 have mean 2 and deviation 2; a direction that does not vary becomes 0."""
    found = standardised(np.array([[0.0, 7.0], [4.0, 7.0]]))
    assert found.tolist() == [[-1, 0], [1, 0]]
    assert found.dtype == np.float32


def test_standardised_has_mean_0_and_deviation_1_at_any_scale():
    states = np.random.default_rng(0).normal(size=(500, 3)) * [1e-3, 1, 1e4] + [0, 5, -1e5]
    found = standardised(states).astype(np.float64)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(0), 1, rtol=1e-5)
