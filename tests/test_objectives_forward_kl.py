"""Forward KL: by hand, against scipy, 0 at the label, and the same slope as naive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, softmax, value
from scipy.special import rel_entr

from trimtab.objectives.forward_kl import ForwardKL
from trimtab.objectives.naive import Naive

EXAMPLES = [{}]
REFUSED = []


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (3/4, 1/4): 3/4 ln 3 - 1/4 ln 3 = 1/2 ln 3."""
    assert value(ForwardKL(), LOGITS, labels_of((0.75, 0.25))).item() == pytest.approx(math.log(3) / 2, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_scipy(classes):
    logits, labels = example(classes)
    wanted = rel_entr(labels.numpy(), softmax(logits)).sum(-1)
    np.testing.assert_allclose(value(ForwardKL(), logits, labels).numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_is_0_at_the_label_and_the_entropy_less_than_naive():
    logits, labels = example(3)
    torch.testing.assert_close(value(ForwardKL(), labels.log(), labels), torch.zeros(200, dtype=torch.float64))
    torch.testing.assert_close(
        value(Naive(), logits, labels) - value(ForwardKL(), logits, labels), -(labels * labels.log()).sum(-1)
    )


def test_learns_what_naive_learns():
    logits, labels = example(4)
    torch.testing.assert_close(slope(ForwardKL(), logits, labels), slope(Naive(), logits, labels))
