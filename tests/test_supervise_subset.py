"""Nested subsets: which items, how many, and what they may not depend on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.supervise.subset import nested_subset

IDS = tuple(f"item{number}" for number in range(40))


def chosen(items: int, seed: int = 0, ids: tuple[str, ...] = IDS) -> set[str]:
    return {ids[row] for row in nested_subset(ids, items, seed)}


def test_smaller_ones_lie_in_larger_ones_and_have_their_size() -> None:
    sets = [chosen(items) for items in (1, 5, 20, 39, 40)]
    assert [len(one) for one in sets] == [1, 5, 20, 39, 40]
    assert all(small < large for small, large in pairwise(sets))
    assert sets[-1] == set(IDS)


def test_the_order_of_the_items_does_not_matter_and_rows_keep_theirs() -> None:
    turned = tuple(reversed(IDS))
    assert chosen(7) == chosen(7, ids=turned)
    rows = nested_subset(turned, 7, 0)
    assert (np.diff(rows) > 0).all()


def test_every_item_is_as_likely_as_another() -> None:
    counts = np.zeros(len(IDS))
    for seed in range(2000):
        counts[nested_subset(IDS, 10, seed)] += 1
    # a quarter of 2,000 each, deviation sqrt(2000 x 1/4 x 3/4) = 19.4
    assert np.abs(counts - 500).max() < 4 * 19.4


def test_more_than_there_are_is_an_error() -> None:
    with pytest.raises(FitError, match="a subset of 41 items was asked for, and there are 40"):
        nested_subset(IDS, 41, 0)
