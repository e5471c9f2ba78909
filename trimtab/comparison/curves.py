"""The learning curves of a comparison: scores after so many weak or true labels, and what the weak ones are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trimtab.comparison.learning_curves import Curve, Point
from trimtab.comparison.tested import Tested
from trimtab.diagnostics.worth import Worth, unknown, worth
from trimtab.metrics import METRICS
from trimtab.metrics.intervals import mean_interval


def curves_json(tested: Tested, curves: Sequence[Curve], metric: str) -> list[dict[str, Any]]:
    """Return both curves of every pair under a metric, with an interval at every size."""
    return [_curve(tested, one, metric) for one in curves]


def _curve(tested: Tested, curve: Curve, metric: str) -> dict[str, Any]:
    def scores(points: Sequence[Point]) -> list[dict[str, Any]]:
        return [mean_interval(tested.scores(metric, one.predictions), tested.resample).to_json() for one in points]

    sizes = [_items(tested, one) for one in curve.ground_truth]
    return {
        "weak": curve.weak,
        "strong": curve.strong,
        "metric": metric,
        "higher_is_better": METRICS[metric].higher_is_better,
        "sizes": sizes,
        "weak_score": mean_interval(tested.scores(metric, curve.supervisor), tested.resample).to_json(),
        "weak_labels": scores(curve.weak_labels),
        "ground_truth": scores(curve.ground_truth),
        "worth": {"of": sizes[-1], **_worth(tested, curve, metric, sizes).to_json()},
    }


def _items(tested: Tested, point: Point) -> int:
    """Return how many labels there are, the mean over seeds."""
    return round(float(np.mean([tested.told(one).items for one in point.labels])))


def _worth(tested: Tested, curve: Curve, metric: str, sizes: Sequence[int]) -> Worth:
    weak = tested.scores(metric, curve.weak_labels[-1].predictions)
    if not METRICS[metric].pgr:
        reason = f"{METRICS[metric].title} does not say how much was learnt: name another metric first."
        return unknown(reason, weak)
    truth = [tested.scores(metric, one.predictions) for one in curve.ground_truth]
    better = METRICS[metric].higher_is_better
    return worth(sizes, truth, weak, tested.resample, higher_is_better=better)
