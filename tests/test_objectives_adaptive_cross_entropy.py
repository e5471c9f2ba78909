"""Confidence-adaptive cross-entropy: which direction each example takes, by hand and by quantile."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, softmax, value

from trimtab.objectives.adaptive_cross_entropy import AdaptiveCrossEntropy
from trimtab.objectives.naive import Naive
from trimtab.objectives.reverse_cross_entropy import ReverseCrossEntropy

EXAMPLES = [{}, {"threshold": 0.3}, {"quantile": 0.5}, {"smoothing": 0.1}]
REFUSED = [
    {"threshold": -0.1},
    {"threshold": 0.6},
    {"threshold": 0.1, "quantile": 0.5},
    {"quantile": 1.5},
    {"quantile": math.nan},
    {"smoothing": 0.0},
]


def test_hand_derived_value():
    """p = (1/4, 3/4). q = (.8, .2) is .3 from chance: forward. q = (.55, .45) is .05: reverse, with q~ at e = .1."""
    logits = LOGITS.expand(2, 2)
    forward = 0.8 * math.log(4) + 0.2 * math.log(4 / 3)
    reverse = -(math.log(0.65 / 1.2) / 4 + 3 / 4 * math.log(0.55 / 1.2))
    found = value(AdaptiveCrossEntropy(smoothing=0.1), logits, labels_of((0.8, 0.2), (0.55, 0.45)))
    assert found.tolist() == pytest.approx([forward, reverse], abs=1e-12)


def test_equals_a_restatement():
    logits, labels = example(2)
    p, q = softmax(logits), labels.numpy()
    forward = -(q * np.log(p)).sum(-1)
    reverse = -(p * np.log((q + 0.01) / 1.02)).sum(-1)
    wanted = np.where(np.abs(q[:, 1] - 0.5) >= 0.1, forward, reverse)
    np.testing.assert_allclose(value(AdaptiveCrossEntropy(), logits, labels).numpy(), wanted, rtol=1e-10)


def test_a_quantile_sends_the_least_certain_share_backwards():
    logits, labels = example(2, items=101)
    found = value(AdaptiveCrossEntropy(quantile=0.25), logits, labels)
    backwards = found != value(Naive(), logits, labels)
    unsure = (labels[:, 1] - 0.5).abs()
    assert backwards.sum() == 25
    assert unsure[backwards].max() < unsure[~backwards].min()


def test_at_its_ends_it_is_naive_and_reverse():
    logits, labels = example(3)
    torch.testing.assert_close(value(AdaptiveCrossEntropy(0.0), logits, labels), value(Naive(), logits, labels))
    reverse = value(ReverseCrossEntropy(), logits, labels)
    torch.testing.assert_close(value(AdaptiveCrossEntropy(0.5), logits, labels), reverse)
