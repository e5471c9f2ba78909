"""What a student was told: how many labels, how many it kept, how right they are, how much of it is ground truth."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from trimtab.comparison.controls import CONTROLS
from trimtab.comparison.row import Row
from trimtab.comparison.tested import Tested
from trimtab.metrics.intervals import LEVEL, Interval, critical_values
from trimtab.types import Truth, most_truth


def truth_of(tested: Tested, row: Row) -> Truth:
    """Return the most ground truth in a row: what its method declares, or what its labels say if that is more."""
    return most_truth([row.truth, *(tested.told(i).truth for i in row.labels)])


def labels_json(tested: Tested, row: Row) -> dict[str, Any]:
    """Return counts (means over seeds) and accuracies of a row's labels.

    `weak` are the weak labels that the student was given, before any step; 0 where it was told something else.
    `kept` are the labels with a weight, and `kept_accuracy` is weighted as the student's loss is. `gold` counts the
    items whose ground truth may have gone into them: n of budget(n), every item of an oracle.
    """
    weak = [tested.told(i) for i in row.weak_labels] if _told_weak_labels(row) else []
    told = [tested.told(i) for i in row.labels]
    truth = truth_of(tested, row)
    return {
        "weak": _mean_count([one.items for one in weak]),
        "kept": _mean_count([one.kept for one in told]),
        "gold": _mean_count([gold_items(truth, one.items) for one in told]),
        "weak_accuracy": over_seeds([one.accuracy for one in weak]) if weak else None,
        "kept_accuracy": over_seeds([one.kept_accuracy for one in told]) if told else None,
    }


def gold_items(truth: Truth, items: int) -> int:
    """Return of how many of some items the ground truth may have been read.

    >>> [gold_items(level, 100) for level in ("none", "supervisor", "budget(30)", "oracle")]
    [0, 0, 30, 100]
    """
    budget = re.fullmatch(r"budget\((\d+)\)", truth)
    if budget:
        return min(items, int(budget[1]))
    return items if truth == "oracle" else 0


def over_seeds(values: list[float]) -> dict[str, Any]:
    """Return the mean with a t interval over seeds, each of which has transfer items of its own."""
    mean = float(np.mean(values))
    if len(values) == 1:
        reason = "One seed: its spread over seeds is unknown."
        return Interval(mean, None, None, LEVEL, "items_only", reason).to_json()
    if len(set(values)) == 1:
        reason = "The same in all seeds: nothing is known of the spread between them."
        return Interval(mean, None, None, LEVEL, "crossed_t", reason).to_json()
    _, student = critical_values(len(values), LEVEL)
    half = float(student * np.std(values, ddof=1) / np.sqrt(len(values)))
    reason = "A t interval over seeds."
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), LEVEL, "crossed_t", reason).to_json()


def _told_weak_labels(row: Row) -> bool:
    return row.control is None or CONTROLS[row.control].told == "weak labels"


def _mean_count(counts: list[int]) -> int:
    return round(float(np.mean(counts))) if counts else 0
