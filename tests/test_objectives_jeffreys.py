"""Jeffreys: by hand, and the two divergences that it is made of."""

from __future__ import annotations

import math

import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, value

from trimtab.objectives.forward_kl import ForwardKL
from trimtab.objectives.jeffreys import Jeffreys
from trimtab.objectives.reverse_kl import ReverseKL

EXAMPLES = [{}, {"smoothing": 0.1}]
REFUSED = [{"smoothing": 0.0}, {"smoothing": 1.1}, {"smoothing": math.nan}]


def test_hand_derived_value():
    """q = (.8, .2) with e = .1 becomes (3/4, 1/4); p = (1/4, 3/4): 1/2 ln 3 + 1/2 ln 3."""
    assert value(Jeffreys(0.1), LOGITS, labels_of((0.8, 0.2))).item() == pytest.approx(math.log(3), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_is_forward_and_reverse_kl_together(classes):
    logits, labels = example(classes)
    weak = (labels + 0.01) / (1 + classes * 0.01)
    wanted = value(ForwardKL(), logits, weak) + value(ReverseKL(0.01), logits, labels)
    torch.testing.assert_close(value(Jeffreys(), logits, labels), wanted)


def test_is_least_at_the_smoothed_label():
    _, labels = example(3)
    assert slope(Jeffreys(), ((labels + 0.01) / 1.03).log(), labels).abs().max() < 1e-12
