"""Symmetric cross-entropy: by hand, and the two objectives that it is made of."""

from __future__ import annotations

import math

import pytest
import torch
from objective_examples import LOGITS, example, labels_of, value

from trimtab.objectives.naive import Naive
from trimtab.objectives.reverse_cross_entropy import ReverseCrossEntropy
from trimtab.objectives.symmetric import Symmetric

EXAMPLES = [{}, {"forward": 0.5}, {"reverse": 1.0}, {"smoothing": 0.1}]
REFUSED = [
    {"forward": -1.0},
    {"forward": math.inf},
    {"reverse": -0.1},
    {"reverse": math.nan},
    {"forward": 0.0, "reverse": 0.0},
    {"smoothing": 0.0},
]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (.8, .2), e = .1: forward .8 ln 4 + .2 ln(4/3), reverse 1/4 ln(4/3) + 3/4 ln 4."""
    wanted = 0.8 * math.log(4) + 0.2 * math.log(4 / 3) + 0.5 * (math.log(4 / 3) / 4 + 3 / 4 * math.log(4))
    found = value(Symmetric(reverse=0.5, smoothing=0.1), LOGITS, labels_of((0.8, 0.2))).item()
    assert found == pytest.approx(wanted, abs=1e-12)


def test_with_one_direction_it_is_that_one():
    logits, labels = example(3)
    torch.testing.assert_close(value(Symmetric(1.0, 0.0), logits, labels), value(Naive(), logits, labels))
    reverse = value(ReverseCrossEntropy(0.05), logits, labels)
    torch.testing.assert_close(value(Symmetric(0.0, 1.0, 0.05), logits, labels), reverse)
