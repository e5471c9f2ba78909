"""Product: by hand, against numpy, what it does with certain labels, and where it is naive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, softmax, value

from trimtab.objectives.naive import Naive
from trimtab.objectives.product import Product

EXAMPLES = [{}, {"alpha": 0.5}, {"beta": 2.0}]
REFUSED = [{"alpha": 0.0}, {"alpha": -1.0}, {"alpha": math.inf}, {"beta": -0.1}, {"beta": math.nan}]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (.8, .2): p q = (.2, .15), so t = (4/7, 3/7) and L = 4/7 ln 4 + 3/7 ln(4/3)."""
    wanted = 4 / 7 * math.log(4) + 3 / 7 * math.log(4 / 3)
    assert value(Product(), LOGITS, labels_of((0.8, 0.2))).item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0)])
def test_equals_a_restatement(classes, alpha, beta):
    logits, labels = example(classes)
    p, q = softmax(logits), labels.numpy()
    target = p**beta * q**alpha
    target /= target.sum(-1, keepdims=True)
    found = value(Product(alpha, beta), logits, labels).numpy()
    np.testing.assert_allclose(found, -(target * np.log(p)).sum(-1), rtol=1e-10)


def test_no_gradient_flows_through_the_target():
    logits, labels = example(3)
    target = Product().target(logits, labels, None)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(slope(Product(), logits, labels), logits.softmax(-1) - target)


def test_a_certain_label_leaves_no_choice():
    logits, _ = example(3)
    certain = labels_of((0.0, 1.0, 0.0)).expand(len(logits), 3)
    torch.testing.assert_close(value(Product(), logits, certain), value(Naive(), logits, certain))


def test_without_own_belief_it_is_naive():
    logits, labels = example(4)
    torch.testing.assert_close(value(Product(beta=0.0), logits, labels), value(Naive(), logits, labels))
    torch.testing.assert_close(slope(Product(beta=0.0), logits, labels), slope(Naive(), logits, labels))
