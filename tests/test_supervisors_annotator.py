"""Annotator: its error rates are the matrix, its labels are as sure as they are right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.supervisors.annotator import Annotator, annotated

THREE = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.0, 0.5, 0.5]])
SHARES = np.array([0.5, 0.3, 0.2])


class Fixed:
    """A generator that returns chosen numbers of [0, 1)."""

    def __init__(self, values: list[float]) -> None:
        self._values = np.array(values)

    def random(self, count: int) -> np.ndarray:
        assert count == len(self._values)
        return self._values


def many() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truth, the labels and the answers of 100,000 items; each answer has labels of its own."""
    generator = np.random.default_rng(0)
    gold = generator.choice(3, 100_000, p=SHARES)
    shares = np.bincount(gold) / len(gold)
    labels = annotated(gold, shares, THREE, generator)
    posterior = (THREE * shares[:, None] / (THREE * shares[:, None]).sum(0)).T
    distance = np.abs(labels[:, None] - posterior).sum(-1)
    assert distance.min(1).max() < 1e-12
    return gold, labels, distance.argmin(1)


def test_value_by_hand():
    """Class shares 3/4 and 1/4, error rates 0.2 of class 0 and 0.4 of class 1. After the answer 0, class 0 has
    0.75 * 0.8 = 0.6 against 0.25 * 0.4 = 0.1, hence 6/7; after the answer 1 0.15 against 0.15, hence 1/2. Item 0 is of
    class 0 and draws 0.79, below 0.8: answer 0. Item 1 draws 0.8: answer 1. Item 2 is of class 1 and draws 0.39, below
    0.4: answer 0."""
    confusion = np.array([[0.8, 0.2], [0.4, 0.6]])
    found = annotated(np.array([0, 0, 1]), np.array([0.75, 0.25]), confusion, Fixed([0.79, 0.8, 0.39]))
    assert found == pytest.approx(np.array([[6 / 7, 1 / 7], [0.5, 0.5], [6 / 7, 1 / 7]]))


def test_against_an_independent_restatement():
    gold = np.random.default_rng(1).integers(3, size=200)
    found = annotated(gold, SHARES, THREE, np.random.default_rng(2))
    for i, draw in enumerate(np.random.default_rng(2).random(200)):
        answer = next(k for k in range(3) if draw < sum(THREE[gold[i], : k + 1]) or k == 2)
        joint = [SHARES[y] * THREE[y, answer] for y in range(3)]
        assert found[i] == pytest.approx([one / sum(joint) for one in joint])


def test_error_rates_are_those_of_the_matrix():
    """On 100,000 items every rate lies within 4 standard errors of the matrix."""
    gold, _, answers = many()
    for y in range(3):
        count = (gold == y).sum()
        for k in range(3):
            rate, wanted = (answers[gold == y] == k).mean(), THREE[y, k]
            assert abs(rate - wanted) <= 4 * math.sqrt(wanted * (1 - wanted) / count)


def test_the_labels_are_calibrated():
    """Among the items with one answer, each class is as frequent as their label says."""
    gold, labels, answers = many()
    for k in range(3):
        with_answer = answers == k
        shares = np.bincount(gold[with_answer], minlength=3) / with_answer.sum()
        spread = np.sqrt(labels[with_answer][0] * (1 - labels[with_answer][0]) / with_answer.sum())
        assert (np.abs(shares - labels[with_answer][0]) <= 4 * spread + 1e-12).all()


def test_the_identity_gives_the_truth_and_an_even_matrix_the_shares():
    gold = np.random.default_rng(3).integers(3, size=500)
    assert np.array_equal(annotated(gold, SHARES, np.eye(3), np.random.default_rng(4)), np.eye(3)[gold])
    even = annotated(gold, SHARES, np.full((3, 3), 1 / 3), np.random.default_rng(4))
    assert even == pytest.approx(np.tile(SHARES, (500, 1)))


def test_an_always_wrong_annotator_of_two_classes_tells_the_truth():
    """Who knows the matrix reads the answer the other way round."""
    gold = np.array([0, 1, 1, 0])
    flipped = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert np.array_equal(annotated(gold, np.full(2, 0.5), flipped, np.random.default_rng(0)), np.eye(2)[gold])


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
def test_an_answer_of_probability_zero_is_never_drawn(draw):
    """Also by the first and last number that a generator has, and where a row sums to 1 only up to rounding."""
    confusion = np.array([[0.5, 0.4999999, 0.0], [0.0, 1.0, 0.0], [0.0, 0.7, 0.3]])
    found = annotated(np.array([0, 1]), np.array([0.6, 0.4, 0.0]), confusion, Fixed([draw, draw]))
    assert np.isfinite(found).all()
    assert found.sum(1) == pytest.approx(1)
    assert (found[[0, 1], [0, 1]] > 0).all()


def test_classes_can_be_renamed():
    """In another order of the classes, the same answers give the same labels: by the shape of what can be drawn."""
    order = [2, 0, 1]
    gold = np.random.default_rng(5).integers(3, size=20_000)
    plain = annotated(gold, SHARES, THREE, np.random.default_rng(6))
    renamed = annotated(np.argsort(order)[gold], SHARES[order], THREE[np.ix_(order, order)], np.random.default_rng(6))
    assert plain.mean(0)[order] == pytest.approx(renamed.mean(0), abs=0.015)


@pytest.mark.parametrize(
    "confusion",
    [
        (),
        ((1.0,),),
        ((0.8, 0.2),),
        ((0.8, 0.2), (0.2, 0.7)),
        ((0.8, 0.2), (1.2, -0.2)),
        ((0.8, 0.2, 0.0), (0.2, 0.8, 0.0)),
        ((0.8, 0.2), (1.0,)),
        ((math.nan, 0.2), (0.2, 0.8)),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(confusion):
    with pytest.raises(ValueError, match="confusion must be a square of probabilities"):
        Annotator(confusion)


def test_is_made_of_truth_and_says_so():
    assert Annotator.truth == "oracle"
