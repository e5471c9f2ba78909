"""Window: which examples stay, by hand and for several classes, and where it is naive."""

from __future__ import annotations

import math

import pytest
import torch
from objective_examples import LOGITS, example, labels_of, slope, value

from trimtab.objectives.certainty import certainty
from trimtab.objectives.naive import Naive
from trimtab.objectives.window import Window

EXAMPLES = [{}, {"radius": 0.3}, {"radius": "midweak"}]
REFUSED = [{"radius": 0.0}, {"radius": 0.6}, {"radius": math.nan}, {"radius": "median"}]


@pytest.mark.parametrize(("radius", "inside"), [(0.2, False), (0.25, True), (0.3, True)])
def test_hand_derived_value(radius, inside):
    """p = (1/4, 3/4) is 1/4 from chance; q = (.8, .2): CE = .8 ln 4 + .2 ln(4/3)."""
    wanted = (0.8 * math.log(4) + 0.2 * math.log(4 / 3)) * inside
    assert value(Window(radius), LOGITS, labels_of((0.8, 0.2))).item() == pytest.approx(wanted, abs=1e-12)


def test_certainty_is_one_scale_for_any_number_of_classes():
    """Two classes: |p_1 - 1/2|. Four: (1/4, ..) is 0, (1, 0, 0, 0) is 1/2, halfway (5/8) is 1/4."""
    two = labels_of((0.5, 0.5), (0.1, 0.9), (1.0, 0.0))
    assert certainty(two).tolist() == pytest.approx([0, 0.4, 0.5])
    four = labels_of((0.25,) * 4, (1.0, 0.0, 0.0, 0.0), (0.625, 0.125, 0.125, 0.125))
    assert certainty(four).tolist() == pytest.approx([0, 0.5, 0.25])


def test_midweak_is_the_median_certainty_of_the_labels():
    """|q_1 - 1/2| = .05, .1, .3: the median is .1, so that a student at .61 is outside and one at .59 inside."""
    labels = labels_of((0.55, 0.45), (0.4, 0.6), (0.8, 0.2))
    at = [math.log(0.59 / 0.41), math.log(0.61 / 0.39), 0.0]
    logits = torch.tensor([[0.0, one] for one in at], dtype=torch.float64)
    assert (value(Window("midweak"), logits, labels) > 0).tolist() == [True, False, True]


def test_sure_examples_have_no_slope():
    logits, labels = example(3)
    sure = certainty(logits.softmax(-1)) > 0.15
    assert 0 < sure.sum() < len(sure)
    found = slope(Window(), logits, labels)
    assert (found[sure] == 0).all()
    torch.testing.assert_close(found[~sure], slope(Naive(), logits, labels)[~sure])


def test_with_the_whole_range_it_is_naive():
    logits, labels = example(4)
    torch.testing.assert_close(value(Window(0.5), logits, labels), value(Naive(), logits, labels))
