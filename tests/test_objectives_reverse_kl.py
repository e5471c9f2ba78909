"""Reverse KL: by hand, against scipy, its minimum, and what it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, softmax, value
from scipy.special import rel_entr

from trimtab.objectives.reverse_cross_entropy import ReverseCrossEntropy
from trimtab.objectives.reverse_kl import ReverseKL

EXAMPLES = [{}, {"smoothing": 0.1}]
REFUSED = [{"smoothing": 0.0}, {"smoothing": 1.1}, {"smoothing": math.nan}]


def test_hand_derived_value():
    """q = (.8, .2) with e = .1 becomes (.9, .3) / 1.2 = (3/4, 1/4); p = (1/4, 3/4): 3/4 ln 3 - 1/4 ln 3 = 1/2 ln 3."""
    found = value(ReverseKL(0.1), LOGITS, labels_of((0.8, 0.2))).item()
    assert found == pytest.approx(math.log(3) / 2, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_scipy(classes):
    logits, labels = example(classes)
    weak = (labels.numpy() + 0.01) / (1 + classes * 0.01)
    wanted = rel_entr(softmax(logits), weak).sum(-1)
    np.testing.assert_allclose(value(ReverseKL(), logits, labels).numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_is_least_at_the_smoothed_label():
    _, labels = example(3)
    at = ((labels + 0.01) / 1.03).log()
    assert value(ReverseKL(), at, labels).abs().max() < 1e-12
    assert slope(ReverseKL(), at, labels).abs().max() < 1e-12


def test_is_the_reverse_cross_entropy_less_the_students_entropy():
    logits, labels = example(4)
    p = logits.softmax(-1)
    entropy = -(p * p.log()).sum(-1)
    torch.testing.assert_close(
        value(ReverseKL(), logits, labels), value(ReverseCrossEntropy(), logits, labels) - entropy
    )


def test_a_student_that_is_surely_wrong_is_let_go():
    """Zero-forcing has a limit: far on the wrong side the pull goes to 0, where that of naive goes to 1."""
    far = torch.tensor([[0.0, 30.0]], dtype=torch.float64)
    assert slope(ReverseKL(), far, labels_of((1.0, 0.0))).abs().max() < 1e-9
