"""Reverse cross-entropy: by hand, against numpy, linear in the student, and where it is total variation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, hard, labels_of, softmax, value

from trimtab.objectives.reverse_cross_entropy import ReverseCrossEntropy
from trimtab.objectives.total_variation import TotalVariation

EXAMPLES = [{}, {"smoothing": 0.1}]
REFUSED = [{"smoothing": 0.0}, {"smoothing": 1.1}, {"smoothing": math.nan}]


def test_hand_derived_value():
    """q = (.8, .2) with e = .1 becomes (3/4, 1/4); p = (1/4, 3/4): 1/4 ln(4/3) + 3/4 ln 4."""
    wanted = math.log(4 / 3) / 4 + 3 / 4 * math.log(4)
    assert value(ReverseCrossEntropy(0.1), LOGITS, labels_of((0.8, 0.2))).item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_a_restatement(classes):
    logits, labels = example(classes)
    wanted = -(softmax(logits) * np.log((labels.numpy() + 0.01) / (1 + classes * 0.01))).sum(-1)
    np.testing.assert_allclose(value(ReverseCrossEntropy(), logits, labels).numpy(), wanted, rtol=1e-10)


def test_is_linear_in_the_students_probabilities():
    one, labels = example(3)
    other, _ = example(3, seed=1)
    between = (0.3 * one.softmax(-1) + 0.7 * other.softmax(-1)).log()
    objective = ReverseCrossEntropy()
    torch.testing.assert_close(
        value(objective, between, labels),
        0.3 * value(objective, one, labels) + 0.7 * value(objective, other, labels),
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_with_certain_labels_it_is_total_variation_scaled(classes):
    """-log q~_y p_y - log q~_other (1 - p_y) = constant + log((1 + e) / e) (1 - p_y)."""
    logits, labels = example(classes)
    certain = hard(labels)
    constant = -math.log(1.01 / (1 + classes * 0.01))
    wanted = constant + math.log(1.01 / 0.01) * value(TotalVariation(1e-12), logits, certain)
    torch.testing.assert_close(value(ReverseCrossEntropy(), logits, certain), wanted)
