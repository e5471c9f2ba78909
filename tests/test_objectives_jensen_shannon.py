"""Jensen-Shannon: by hand, against scipy, its bounds, and the limit at which it is forward KL."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, softmax, value
from scipy.spatial.distance import jensenshannon

from trimtab.objectives.forward_kl import ForwardKL
from trimtab.objectives.jensen_shannon import JensenShannon

EXAMPLES = [{}, {"share": 0.2}]
REFUSED = [{"share": 0.0}, {"share": 1.0}, {"share": math.nan}]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (3/4, 1/4): m = (1/2, 1/2), both divergences are 3/4 ln(3/2) - 1/4 ln 2."""
    wanted = 0.75 * math.log(1.5) - 0.25 * math.log(2)
    assert value(JensenShannon(), LOGITS, labels_of((0.75, 0.25))).item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_equals_scipy(classes):
    logits, labels = example(classes)
    wanted = jensenshannon(softmax(logits), labels.numpy(), axis=1) ** 2
    np.testing.assert_allclose(value(JensenShannon(), logits, labels).numpy(), wanted, rtol=1e-8, atol=1e-12)


def test_is_bounded_by_log_2_and_0_at_the_label():
    far = torch.tensor([[0.0, 60.0]], dtype=torch.float64)
    assert value(JensenShannon(), far, labels_of((1.0, 0.0))).item() == pytest.approx(math.log(2))
    _, labels = example(3)
    assert value(JensenShannon(), labels.log(), labels).abs().max() < 1e-12


def test_with_a_vanishing_share_it_is_forward_kl():
    """s KL(q || m) with m -> p: divided by s, forward KL; the other term is of second order in s."""
    logits, labels = example(3)
    share = 1e-8
    torch.testing.assert_close(
        slope(JensenShannon(share), logits, labels) / share, slope(ForwardKL(), logits, labels), rtol=0, atol=1e-4
    )
