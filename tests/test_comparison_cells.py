"""Counts of predictions give the metrics of the predictions."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.comparison.cells import Cells
from trimtab.metrics import METRICS
from trimtab.metrics.calibration import calibration_curve


def counted(probabilities: np.ndarray, gold: np.ndarray, bags: int = 7) -> Cells:
    """Return the counts of items that come in three lots."""
    cells = Cells(bags, probabilities.shape[1])
    for place in np.array_split(np.arange(len(gold)), 3):
        cells.see(probabilities[place], gold[place], place % bags)
    return cells


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_of_counts_is_the_metric_of_items(name: str, classes: int) -> None:
    generator = np.random.default_rng(classes)
    scores = generator.normal(size=(900, classes)) * 2
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    gold = np.where(generator.random(900) < 0.6, probabilities.argmax(1), generator.integers(classes, size=900))
    weights = generator.integers(0, 4, size=(5, 7)).astype(float)
    of_items = weights[:, np.arange(900) % 7]
    wanted = METRICS[name].function(probabilities, gold, of_items)
    tolerance = {"auroc": 2e-3, "ece": 2e-2}.get(name, 1e-12)
    np.testing.assert_allclose(counted(probabilities, gold).score(name, weights), wanted, atol=tolerance)


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 6, 7])
def test_ties_fall_to_the_lowest_class_as_everywhere(classes: int) -> None:
    cells = counted(np.full((50, classes), 1 / classes), np.zeros(50, int))
    assert cells.score("accuracy", np.ones((1, 7)))[0] == 1.0
    assert cells.answers == {0}


def test_the_curve_has_the_items_of_the_curve_of_items() -> None:
    generator = np.random.default_rng(1)
    p = generator.random(600)
    probabilities, gold = np.stack([1 - p, p], 1), (generator.random(600) < p).astype(int)
    found, wanted = (
        calibration_curve(*counted(probabilities, gold).curve_rows()),
        calibration_curve(probabilities, gold),
    )
    assert sum(one.n for one in found) == 600
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=0.02)
