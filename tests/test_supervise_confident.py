"""Confident: which items stay, how many, what happens with ties, and when nothing is left."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.supervise.confident import Confident, most_confident
from trimtab.types import Labels

EXAMPLES = [{"keep": 0.5}, {"keep": 0.2}, {"threshold": 0.75}, {"threshold": 0.9}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [
    {},
    {"keep": 0.5, "threshold": 0.5},
    {"keep": 0.0},
    {"keep": 1.01},
    {"keep": -0.5},
    {"keep": math.nan},
    {"threshold": 0.0},
    {"threshold": 1.5},
]


def binary(positive: list[float], weights: list[float] | None = None, truth: str = "none") -> Labels:
    """Return labels with these probabilities of class 1."""
    p = np.array(positive)
    ids = tuple(f"i{i}" for i in range(len(p)))
    return Labels(ids, np.stack([1 - p, p], -1), np.ones(len(p)) if weights is None else np.array(weights), truth)


def test_keeps_the_surest_half_by_hand():
    """Top probabilities .9, .6, .55, .8: the surest half are the first and the last, whatever their class."""
    assert Confident(keep=0.5)(binary([0.9, 0.6, 0.45, 0.2])).weights.tolist() == [1, 0, 0, 1]


def test_keeps_what_reaches_the_threshold_by_hand():
    assert Confident(threshold=0.75)(binary([0.75, 0.74, 0.25, 0.26, 0.99])).weights.tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("keep", "count", "kept"),
    # 0.07 * 100 and 0.55 * 100 are a little above 7 and 55 in binary floating point, and must stay 7 and 55
    [(0.5, 5, 3), (0.5, 4, 2), (0.07, 100, 7), (0.55, 100, 55), (0.1, 7, 1), (0.01, 7, 1), (1.0, 7, 7), (0.999, 7, 7)],
)
def test_share_is_rounded_up(keep, count, kept):
    probabilities = np.random.default_rng(count).dirichlet(np.ones(3), count)
    marked = most_confident(probabilities, keep)
    assert marked.sum() == kept
    assert probabilities.max(1)[marked].min() >= probabilities.max(1)[~marked].max(initial=0)


def test_ties_go_to_the_earlier_item():
    assert most_confident(binary([0.8, 0.2, 0.8, 0.5]).probabilities, 0.5).tolist() == [True, True, False, False]
    many = binary([0.8, 0.3] * 500)
    assert np.flatnonzero(most_confident(many.probabilities, 0.25)).tolist() == list(range(0, 500, 2))


def test_keep_all_changes_nothing():
    labels = binary([0.9, 0.6, 0.45], [1.0, 0.5, 2.0])
    found = Confident(keep=1.0)(labels)
    assert found.ids == labels.ids
    assert np.array_equal(found.weights, labels.weights)
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_weights_of_what_stays_are_kept():
    assert Confident(keep=0.5)(binary([0.9, 0.6, 0.45, 0.2], [0.5, 3, 1, 2])).weights.tolist() == [0.5, 0, 0, 2]


def test_items_dropped_before_do_not_count():
    """Four of six items are left; the surest half of those four are .7 and .65, not the dropped .99."""
    labels = binary([0.99, 0.99, 0.7, 0.65, 0.6, 0.55], [0, 0, 1, 1, 1, 1])
    assert Confident(keep=0.5)(labels).weights.tolist() == [0, 0, 1, 1, 0, 0]
    with pytest.raises(FitError, match=r"threshold 0\.9 \(the surest has 0\.700\)"):
        Confident(threshold=0.9)(labels)


def test_nothing_left_is_an_error():
    with pytest.raises(FitError, match=r"threshold 0\.95 \(the surest has 0\.900\)\. Lower the threshold"):
        Confident(threshold=0.95)(binary([0.9, 0.6]))
    with pytest.raises(FitError, match="no item with a positive weight"):
        Confident(keep=0.5)(binary([0.9, 0.6], [0.0, 0.0]))


def test_does_not_look_at_ground_truth():
    """The reference code keeps only labels that are right; here what the labels say of their own truth is not read."""
    labels = binary([0.9, 0.6, 0.45, 0.2])
    for step in (Confident(keep=0.5), Confident(threshold=0.7)):
        marked = step(replace(labels, truth="oracle"))
        assert np.array_equal(marked.weights, step(labels).weights)
        assert marked.truth == "oracle"
    assert Confident.truth == "none"
