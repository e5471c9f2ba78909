"""AdaptConf: by hand, as its paper writes the weight, and where it is auxiliary confidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_examples import LOGITS, example, labels_of, softmax, value

from trimtab.objectives.adapt_conf import AdaptConf, own_weight
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive

EXAMPLES = [{}, {"temperature": 5.0}]
REFUSED = [{"temperature": 0.0}, {"temperature": -1.0}, {"temperature": math.inf}]


def test_hand_derived_value():
    """p = (1/4, 3/4), q = (.8, .2): h = 1, g = 0, a = 1 / (1 + 3) = 1/4; t = 3/4 (.8, .2) + 1/4 (0, 1) = (.6, .4)."""
    wanted = 0.6 * math.log(4) + 0.4 * math.log(4 / 3)
    assert value(AdaptConf(), LOGITS, labels_of((0.8, 0.2))).item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_equals_the_papers_weight(temperature):
    logits, labels = example(4)
    p, q = softmax(logits), labels.numpy()
    rows = np.arange(len(p))
    own = np.exp(-np.log(p.max(1)) / temperature)
    weak = np.exp(-np.log(p[rows, q.argmax(1)]) / temperature)
    a = own / (own + weak)
    np.testing.assert_allclose(own_weight(logits.log_softmax(-1), labels, temperature).numpy(), a, rtol=1e-10)
    wanted = -(1 - a) * (q * np.log(p)).sum(1) - a * np.log(p.max(1))
    np.testing.assert_allclose(value(AdaptConf(temperature), logits, labels).numpy(), wanted, rtol=1e-10)


def test_where_student_and_certain_label_agree_it_is_naive():
    logits, _ = example(3)
    agreed = torch.nn.functional.one_hot(logits.argmax(-1), 3).double()
    torch.testing.assert_close(value(AdaptConf(), logits, agreed), value(Naive(), logits, agreed))


def test_at_high_temperature_it_is_confidence_where_classes_are_balanced():
    """Every item once as it is and once with its classes exchanged: the balance of confidence is then held anyway."""
    logits, labels = (torch.cat([one, one.flip(-1)]) for one in example(2))
    found = value(AdaptConf(1e9), logits, labels)
    torch.testing.assert_close(found, value(Confidence(alpha=0.5), logits, labels), rtol=0, atol=1e-7)
