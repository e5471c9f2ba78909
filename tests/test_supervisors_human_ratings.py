"""Human ratings: signs by hand, draws without replacement, and the whole crowd whatever the seed."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.supervisors.human_ratings import HumanRatings, crowd_labels


def rated(items: int = 200, held: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, (items, held)).astype(float)


def positive(ratings: np.ndarray, crowd: int, seed: int = 0) -> np.ndarray:
    labels = crowd_labels(ratings, crowd, np.random.default_rng(seed))
    assert labels.sum(1) == pytest.approx(1)
    return labels[:, 1]


def test_value_by_hand():
    """3 and 1 say positive, -2 negative, 0 is half: (1 + 1 + 0 + 1/2) / 4 = 0.625. How strong a rating is does not
    count."""
    assert positive(np.array([[3.0, 1.0, -2.0, 0.0]]), 4).tolist() == [0.625]
    assert positive(np.array([[0.0, 0.0], [4.0, -1.0], [-0.5, -4.0], [0.1, 4.0]]), 2).tolist() == [0.5, 0.5, 0.0, 1.0]


def test_against_an_independent_restatement_of_the_whole_crowd():
    ratings = rated()
    wanted = [sum(1.0 if r > 0 else 0.5 if r == 0 else 0.0 for r in row) / 5 for row in ratings]
    assert positive(ratings, 5) == pytest.approx(np.array(wanted))


def test_a_draw_of_some_is_one_of_the_draws_that_there_are():
    ratings = rated(40, 4)
    votes = (np.sign(ratings) + 1) / 2
    for row, found in zip(votes, positive(ratings, 2), strict=True):
        pairs = [(row[i] + row[j]) / 2 for i in range(4) for j in range(i)]
        assert min(abs(found - one) for one in pairs) < 1e-12


def test_all_held_ratings_do_not_depend_on_the_seed_and_fewer_do():
    ratings = rated()
    assert np.array_equal(positive(ratings, 5, 0), positive(ratings, 5, 1))
    assert not np.array_equal(positive(ratings, 1, 0), positive(ratings, 1, 1))
    assert np.array_equal(positive(ratings, 1, 0), positive(ratings, 1, 0))


def test_drawn_without_replacement_and_every_rating_alike():
    """One rating of five is positive: a crowd of four holds it 4 times in 5, and never more than once."""
    ratings = np.tile([-1.0, -1.0, 1.0, -1.0, -1.0], (20_000, 1))
    found = positive(ratings, 4)
    assert set(found.tolist()) == {0.0, 0.25}
    assert (found == 0.25).mean() == pytest.approx(0.8, abs=0.012)


def test_items_draw_for_themselves():
    """Items with the same ratings do not all get the same one."""
    assert 0.4 < positive(np.tile([-1.0, 1.0], (2000, 1)), 1).mean() < 0.6


def test_the_other_way_round_is_the_other_class():
    ratings = rated()
    assert positive(-ratings, 3) == pytest.approx(1 - positive(ratings, 3))


def test_a_crowd_is_right_more_often_than_one():
    """Every rating has the right sign 7 times in 10, so five are right together with probability 0.837: at least 0.1
    more often."""
    generator = np.random.default_rng(0)
    gold = generator.integers(2, size=10_000)
    right = generator.random((10_000, 5)) < 0.7
    ratings = np.where(right, 1.0, -1.0) * (2 * gold - 1)[:, None]
    one, five = (((positive(ratings, crowd) > 0.5) == gold).mean() for crowd in (1, 5))
    assert five > one + 0.1


@pytest.mark.parametrize("crowd", [0, -1])
def test_nobody_is_refused(crowd):
    with pytest.raises(ValueError, match=f"crowd must be at least 1, found {crowd}"):
        HumanRatings(crowd)


def test_sees_no_truth_of_its_own():
    assert HumanRatings.truth == "none"
