"""The balanced offset: quantile for two classes, the optimal assignment for more, exact counts, ties, speed."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from trimtab.objectives.class_balance import balanced_offset, class_quotas

SKEWED = (0.7, 0.2, 0.1)
SCALES = (0.01, 1.0, 30.0, 1000.0, 1e6)


def log_p(logits: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(logits).log_softmax(-1)


def hard(scores: torch.Tensor, prior) -> np.ndarray:
    """Return argmax(log p + b) for a prior."""
    return (scores + balanced_offset(scores, torch.tensor(prior, dtype=scores.dtype)).unsqueeze(-2)).argmax(-1).numpy()


@pytest.mark.parametrize(
    ("prior", "count", "wanted"),
    [
        (SKEWED, 10, [7, 2, 1]),
        # 7 * (.7, .2, .1) = (4.9, 1.4, 0.7): floors 4, 1, 0; the two missing items go to remainders .9 and .7
        (SKEWED, 7, [5, 1, 1]),
        # three thirds of 10: the remainder is a tie, the lower class gets it
        ((1 / 3, 1 / 3, 1 / 3), 10, [4, 3, 3]),
        ((0.5, 0.5), 5, [3, 2]),
        ((0.0, 1.0), 4, [0, 4]),
        # need not be normalised
        ((2.0, 2.0, 4.0), 8, [2, 2, 4]),
    ],
)
def test_quotas_by_hand(prior, count, wanted):
    assert class_quotas(torch.tensor(prior, dtype=torch.float64), count).tolist() == wanted


def test_two_classes_by_hand():
    """Log-odds (2, 1, -1, -3), prior of class 1 = 1/2: two positives; the midpoint of 1 and -1 is 0, so b = (0, 0).

    With prior 1/4 the midpoint is that of 2 and 1: b_1 = -1.5. With prior 0 nothing may be positive: above 2.
    """
    odds = torch.tensor([2.0, 1.0, -1.0, -3.0], dtype=torch.float64)
    scores = torch.stack([torch.zeros(4, dtype=torch.float64), odds], -1).log_softmax(-1)
    for positive, offset in ((0.5, 0.0), (0.25, -1.5), (0.0, -2.5), (1.0, 3.5)):
        found = balanced_offset(scores, torch.tensor([1 - positive, positive], dtype=torch.float64))
        assert found.tolist() == pytest.approx([0.0, offset], abs=1e-12)


def test_three_classes_by_hand():
    """Three items, one per class wanted, all of which prefer class 0:

        s = (0, -1, -5), (0, -2, -3), (0, -4, -4)

    The best one-to-one assignment is 1 -> class 1, 2 -> class 2, 3 -> class 0 with sum -1 - 3 + 0 = -4
    (the others: -5-2, -4-3, -5-4, -2-4, -1-4 are all worse).
    """
    scores = torch.tensor([[0.0, -1, -5], [0, -2, -3], [0, -4, -4]], dtype=torch.float64)
    assert hard(scores, (1 / 3, 1 / 3, 1 / 3)).tolist() == [1, 2, 0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.9, 1.0])
def test_two_classes_equal_the_quantile(share, scale):
    """h = 1 where the log-odds lie above their (1 - share) quantile, restated with numpy."""
    rng = np.random.default_rng(7)
    odds = rng.normal(size=1000) * scale
    found = hard(log_p(np.stack([-odds / 2, odds / 2], -1)), (1 - share, share))
    # the level is lowered by rounding error only, so that 1 - 0.9 is not taken for 0.1 + 1e-17
    threshold = np.quantile(odds, max(0.0, 1 - share - 1e-9), method="inverted_cdf")
    wanted = odds > threshold if share < 1 else np.ones(1000, bool)
    assert np.array_equal(found == 1, wanted)


@pytest.mark.parametrize("n", [10, 100, 2000])
@pytest.mark.parametrize("scale", SCALES)
def test_three_classes_keep_a_skewed_prior(n, scale):
    for seed in range(5):
        logits = np.random.default_rng([seed, n]).normal(size=(n, 3)) * scale
        shares = np.bincount(hard(log_p(logits), SKEWED), minlength=3) / n
        assert np.abs(shares - SKEWED).max() <= 1 / n


@pytest.mark.parametrize("n", [10, 100, 2000])
@pytest.mark.parametrize(
    "favourite", [(0.01, 0.01, 0.98), (1 / 3, 1 / 3, 1 / 3), (0.98, 0.01, 0.01)], ids=["wrong", "even", "right"]
)
def test_peaked_predictions_keep_a_skewed_prior(n, favourite):
    rng = np.random.default_rng(n)
    logits = np.eye(3)[rng.choice(3, n, p=favourite)] * 300 + rng.normal(size=(n, 3))
    shares = np.bincount(hard(log_p(logits), SKEWED), minlength=3) / n
    assert np.abs(shares - SKEWED).max() <= 1 / n


@pytest.mark.parametrize("n", [10, 100, 2000])
def test_ten_classes(n):
    rng = np.random.default_rng(n)
    prior = rng.dirichlet(np.ones(10))
    for logits in (rng.normal(size=(n, 10)), rng.standard_cauchy(size=(n, 10)) * 20):
        shares = np.bincount(hard(log_p(logits), prior), minlength=10) / n
        assert np.abs(shares - prior).max() <= 1 / n


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_is_the_optimal_assignment(classes, seed):
    """Restated with scipy: one column per place of a class, the sum of log p maximised over one-to-one assignments."""
    rng = np.random.default_rng([seed, classes])
    scores = log_p(rng.normal(size=(40, classes)) * 3)
    prior = rng.dirichlet(np.ones(classes))
    places = np.repeat(np.arange(classes), class_quotas(torch.from_numpy(prior), 40).numpy())
    rows, columns = linear_sum_assignment(scores.numpy()[:, places], maximize=True)
    assert np.array_equal(hard(scores, prior), places[columns[rows.argsort()]])


def test_permuting_classes_permutes_labels():
    rng = np.random.default_rng(3)
    for classes in (2, 3, 7):
        scores, prior = log_p(rng.normal(size=(300, classes)) * 5), rng.dirichlet(np.ones(classes) * 3)
        order = rng.permutation(classes)
        assert np.array_equal(order[hard(scores[:, order], prior[order])], hard(scores, prior))


def test_permuting_items_changes_nothing():
    rng = np.random.default_rng(4)
    scores = log_p(rng.normal(size=(500, 4)))
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    shuffled = scores[torch.from_numpy(rng.permutation(500))]
    torch.testing.assert_close(balanced_offset(shuffled, prior), balanced_offset(scores, prior), rtol=0, atol=1e-12)


def test_offset_lies_in_the_middle_of_what_is_allowed():
    """Moving b by less than the smallest distance of an item to its border changes no label, in either direction."""
    rng = np.random.default_rng(5)
    scores = log_p(rng.normal(size=(60, 3)))
    prior = torch.tensor(SKEWED, dtype=torch.float64)
    shifted = (scores + balanced_offset(scores, prior)).numpy()
    top = np.sort(shifted, axis=1)
    clearance = (top[:, -1] - top[:, -2]).min()
    assert clearance > 1e-4
    for sign in (-1, 1):
        for c in range(3):
            moved = shifted + sign * 0.99 * clearance * np.eye(3)[c]
            assert np.array_equal(moved.argmax(1), shifted.argmax(1))


def test_class_without_quota_gets_nothing():
    scores = log_p(np.random.default_rng(6).normal(size=(50, 4)))
    assert np.bincount(hard(scores, (0.6, 0.4, 0.0, 0.0)), minlength=4).tolist() == [30, 20, 0, 0]
    assert set(hard(scores, (0.0, 0.0, 1.0, 0.0))) == {2}


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_all_equal_logits_fall_on_one_side(classes, n):
    scores = log_p(np.zeros((n, classes)))
    prior = np.arange(1, classes + 1) / (classes * (classes + 1) / 2)
    assert torch.isfinite(balanced_offset(scores, torch.from_numpy(prior))).all()
    assert len(set(hard(scores, prior).tolist())) == 1


def test_tied_items_stay_together():
    """Six items in two tied groups of three; half a group cannot be split, so 0 or 3 of each fall into class 1."""
    odds = np.array([1.0, 1, 1, -1, -1, -1])
    scores = log_p(np.stack([np.zeros(6), odds], -1))
    assert hard(scores, (0.5, 0.5)).tolist() == [1, 1, 1, 0, 0, 0]
    assert len(set(hard(scores, (2 / 3, 1 / 3))[:3].tolist())) == 1
    three = log_p(np.repeat(np.random.default_rng(0).normal(size=(5, 3)), 40, axis=0))
    labels = hard(three, SKEWED).reshape(5, 40)
    assert (labels == labels[:, :1]).all()


def test_runs_are_solved_one_by_one():
    rng = np.random.default_rng(8)
    for classes in (2, 3):
        scores = log_p(rng.normal(size=(4, 30, classes)))
        prior = torch.from_numpy(rng.dirichlet(np.ones(classes), 4))
        together = balanced_offset(scores, prior)
        assert together.shape == (4, classes)
        for one in range(4):
            assert torch.equal(together[one], balanced_offset(scores[one], prior[one]))


@pytest.mark.parametrize("classes", [2, 3])
def test_single_precision_keeps_the_prior(classes):
    rng = np.random.default_rng(9)
    scores = log_p(rng.normal(size=(1024, classes)).astype(np.float32) * 8)
    prior = torch.tensor(SKEWED if classes == 3 else (0.3, 0.7))
    offset = balanced_offset(scores, prior)
    assert offset.dtype == torch.float32
    shares = np.bincount((scores + offset).argmax(-1).numpy(), minlength=classes) / 1024
    assert np.abs(shares - prior.numpy()).max() <= 1 / 1024


@pytest.mark.parametrize(("classes", "goal_ms"), [(3, 10), (10, 50)])
def test_is_fast_enough_to_run_once_per_step(classes, goal_ms):
    """A probe's fit solves it 300 times; the fastest of several is what the solver takes on a machine that is busy."""
    rng = np.random.default_rng(10)
    scores = log_p(rng.normal(size=(2000, classes)) * 3)
    prior = torch.from_numpy(rng.dirichlet(np.ones(classes)))
    fastest = math.inf
    for _ in range(15):
        begun = time.perf_counter()
        balanced_offset(scores, prior)
        fastest = min(fastest, time.perf_counter() - begun)
    assert fastest * 1000 < goal_ms
