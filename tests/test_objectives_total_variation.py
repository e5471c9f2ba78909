"""Total variation: by hand, against numpy, bounded, and the absolute error of certain labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, hard, labels_of, slope, softmax, value

from trimtab.objectives.total_variation import TotalVariation

EXAMPLES = [{}, {"rounding": 0.5}]
REFUSED = [{"rounding": 0.0}, {"rounding": 1.5}, {"rounding": math.nan}]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (1, 0), e = 1: both differences are 3/4, sqrt(9/16 + 1) - 1 = 1/4, and half of two is 1/4."""
    assert value(TotalVariation(1.0), LOGITS, labels_of((1.0, 0.0))).item() == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_without_rounding_it_is_half_the_absolute_difference(classes):
    logits, labels = example(classes)
    wanted = np.abs(softmax(logits) - labels.numpy()).sum(-1) / 2
    np.testing.assert_allclose(value(TotalVariation(1e-12), logits, labels).numpy(), wanted, atol=1e-10)


def test_is_least_at_the_label_and_at_most_1():
    _, labels = example(3)
    assert slope(TotalVariation(), labels.log(), labels).abs().max() < 1e-12
    far = torch.tensor([[0.0, 80.0]], dtype=torch.float64)
    assert 0.9 < value(TotalVariation(), far, labels_of((1.0, 0.0))).item() <= 1


def test_with_certain_labels_it_is_the_absolute_error():
    logits, labels = example(4)
    own = np.take_along_axis(softmax(logits), labels.numpy().argmax(1)[:, None], 1)[:, 0]
    np.testing.assert_allclose(value(TotalVariation(1e-12), logits, hard(labels)).numpy(), 1 - own, atol=1e-10)
