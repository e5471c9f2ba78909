"""Metrics, one measure per file, and the table of those that an experiment may name."""

from __future__ import annotations

from trimtab.metrics.accuracy import accuracy
from trimtab.metrics.auroc import auroc
from trimtab.metrics.balanced_accuracy import balanced_accuracy
from trimtab.metrics.brier import brier
from trimtab.metrics.calibration import expected_calibration_error
from trimtab.metrics.macro_f1 import macro_f1
from trimtab.metrics.metric import Metric

__all__ = ["METRICS", "OF_CHOICES", "Metric"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, True, True, "accuracy"),
        Metric("balanced_accuracy", balanced_accuracy, True, True, "balanced accuracy"),
        Metric("macro_f1", macro_f1, True, True, "macro F1"),
        Metric("auroc", auroc, True, True, "AUROC"),
        Metric(
            "ece",
            expected_calibration_error,
            False,
            False,
            "ECE",
            note="ECE is biased upwards, and more so in bootstrap draws, so its interval sits too high: "
            "compare models on the same items, do not read the level.",
        ),
        Metric("brier", brier, False, True, "Brier score"),
    )
}
OF_CHOICES = ("accuracy", "brier", "ece")
"""Metrics of items that have answers of their own: those that need no class to mean the same for every item."""
