"""Pearson's chi-squared: by hand, against numpy, its minimum, and the limit at which it is a squared error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from objective_examples import LOGITS, example, labels_of, slope, softmax, value

from trimtab.objectives.pearson_chi_squared import PearsonChiSquared

EXAMPLES = [{}, {"smoothing": 0.5}]
REFUSED = [{"smoothing": 0.0}, {"smoothing": -1.0}, {"smoothing": math.inf}]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (3/4, 1/4), e = 1/4: (1/2)^2 / 1 + (1/2)^2 / (1/2) = 3/4."""
    assert value(PearsonChiSquared(0.25), LOGITS, labels_of((0.75, 0.25))).item() == pytest.approx(0.75, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_a_restatement(classes):
    logits, labels = example(classes)
    q = labels.numpy()
    wanted = ((softmax(logits) - q) ** 2 / (q + 0.1)).sum(-1)
    np.testing.assert_allclose(value(PearsonChiSquared(), logits, labels).numpy(), wanted, rtol=1e-9)


def test_is_0_at_the_label():
    _, labels = example(3)
    assert value(PearsonChiSquared(), labels.log(), labels).abs().max() < 1e-12
    assert slope(PearsonChiSquared(), labels.log(), labels).abs().max() < 1e-12


def test_with_much_smoothing_it_is_a_squared_error():
    logits, labels = example(3)
    wanted = ((softmax(logits) - labels.numpy()) ** 2).sum(-1)
    np.testing.assert_allclose(value(PearsonChiSquared(1e9), logits, labels).numpy() * 1e9, wanted, rtol=1e-7)
