"""Naive: cross-entropy to soft labels, by hand and against an independent restatement."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from trimtab.objectives.naive import Naive, cross_entropy
from trimtab.types import Context

EXAMPLES = [{}]
"""Settings that all differ in value somewhere, for the contract tests."""
REFUSED: list[dict[str, object]] = []
"""Settings that must be refused."""

START = Context(0.0)


def test_hand_derived_value():
    """p = softmax(0, ln 3) = (1/4, 3/4); q = (0.8, 0.2): L = 0.8 ln 4 + 0.2 ln(4/3) = 1.16657 nats."""
    logits = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64)
    labels = torch.tensor([[0.8, 0.2]], dtype=torch.float64)
    found = Naive()(logits, labels, START)
    assert found.tolist() == pytest.approx([0.8 * math.log(4) + 0.2 * math.log(4 / 3)], abs=1e-15)
    assert found.tolist() == pytest.approx([1.166571903], abs=1e-9)


def test_uniform_prediction_costs_log_classes():
    """p_c = 1/k for all c: L = ln k whatever q is."""
    labels = torch.tensor([[1.0, 0, 0, 0, 0], [0.2] * 5])
    assert cross_entropy(torch.zeros(2, 5), labels).tolist() == pytest.approx([math.log(5)] * 2)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_scipy(classes):
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(200, classes)) * 20
    labels = rng.dirichlet(np.ones(classes), 200)
    found = Naive()(torch.from_numpy(logits), torch.from_numpy(labels), START).numpy()
    np.testing.assert_allclose(found, -(labels * log_softmax(logits, axis=1)).sum(1), rtol=1e-13)


def test_gradient_is_prediction_minus_label():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(50, 3))).requires_grad_()
    labels = torch.from_numpy(rng.dirichlet(np.ones(3), 50))
    (slope,) = torch.autograd.grad(Naive()(logits, labels, START).sum(), logits)
    torch.testing.assert_close(slope, logits.detach().softmax(-1) - labels, rtol=1e-12, atol=1e-14)


def test_progress_and_other_items_do_not_matter():
    rng = np.random.default_rng(1)
    logits, labels = torch.from_numpy(rng.normal(size=(9, 3))), torch.from_numpy(rng.dirichlet(np.ones(3), 9))
    whole = Naive()(logits, labels, START)
    assert torch.equal(whole, Naive()(logits, labels, Context(1.0)))
    assert torch.equal(whole[4:5], Naive()(logits[4:5], labels[4:5], START))
    assert Naive().statistics(logits, labels) == {}
