"""Entropy: by hand, what its slope is, and where it is naive."""

from __future__ import annotations

import math

import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, value

from trimtab.objectives.entropy import Entropy
from trimtab.objectives.naive import Naive

EXAMPLES = [{}, {"alpha": 0.3}, {"warm_up": 0.5}]
REFUSED = [{"alpha": -0.1}, {"alpha": 1.1}, {"alpha": math.nan}, {"warm_up": 0.0}, {"warm_up": 1.5}]


@pytest.mark.parametrize(("progress", "target"), [(0.0, 0.8), (0.1, 0.6625), (0.2, 0.525), (1.0, 0.525)])
def test_hand_derived_value(progress, target):
    """p = (1/4, 3/4), q = (.8, .2): t_0 = (1 - w) .8 + w / 4 with w = 0, 1/4, 1/2, 1/2."""
    wanted = target * math.log(4) + (1 - target) * math.log(4 / 3)
    assert value(Entropy(), LOGITS, labels_of((0.8, 0.2)), progress).item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_slope_is_the_naive_one_made_smaller(alpha):
    """(1 - w) (p - q) + w (p - p): against a penalty, a larger penalty; alone at alpha 1, nothing is learnt."""
    logits, labels = example(3)
    torch.testing.assert_close(slope(Entropy(alpha), logits, labels), (1 - alpha) * slope(Naive(), logits, labels))


def test_with_alpha_0_it_is_naive():
    logits, labels = example(5)
    torch.testing.assert_close(value(Entropy(0.0), logits, labels), value(Naive(), logits, labels))
