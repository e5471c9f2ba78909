"""Squared Hellinger distance: by hand, against numpy, its bounds, and with certain labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, hard, labels_of, slope, softmax, value

from trimtab.objectives.squared_hellinger import SquaredHellinger

EXAMPLES = [{}]
REFUSED = []


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (3/4, 1/4): 2 - 2 * 2 sqrt(3/16) = 2 - sqrt 3."""
    found = value(SquaredHellinger(), LOGITS, labels_of((0.75, 0.25))).item()
    assert found == pytest.approx(2 - math.sqrt(3), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_the_squared_distance(classes):
    logits, labels = example(classes)
    wanted = ((np.sqrt(softmax(logits)) - np.sqrt(labels.numpy())) ** 2).sum(-1)
    np.testing.assert_allclose(value(SquaredHellinger(), logits, labels).numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_is_least_at_the_label_and_bounded_by_2():
    _, labels = example(3)
    assert slope(SquaredHellinger(), labels.log(), labels).abs().max() < 1e-12
    far = torch.tensor([[0.0, 80.0]], dtype=torch.float64)
    assert value(SquaredHellinger(), far, labels_of((1.0, 0.0))).item() == pytest.approx(2, abs=1e-9)


def test_with_certain_labels_it_is_the_generalised_cross_entropy_of_power_one_half():
    """sum_c q_c (1 - p_c^t) / t at t = 1/2 (Zhang and Sabuncu 2018) is 2 (1 - sqrt p_y)."""
    logits, labels = example(4)
    own = np.take_along_axis(softmax(logits), labels.numpy().argmax(1)[:, None], 1)[:, 0]
    found = value(SquaredHellinger(), logits, hard(labels)).numpy()
    np.testing.assert_allclose(found, (1 - own**0.5) / 0.5, rtol=1e-9)
