"""One row of results.json: a student of a pair under one metric, with everything that is said about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trimtab.comparison.labels import labels_json, truth_of
from trimtab.comparison.measured import Measured
from trimtab.comparison.row import Row
from trimtab.metrics import METRICS
from trimtab.metrics.agreement import agreement
from trimtab.metrics.calibration import calibration_curve
from trimtab.metrics.intervals import difference_interval, mean_interval
from trimtab.metrics.paired import holm, mcnemar
from trimtab.metrics.pgr import PGR, performance_gap_recovered


def gap_recovered(measured: Measured, row: Row, metric: str) -> PGR:
    """Return a row's PGR under a metric."""
    return performance_gap_recovered(
        measured.scores(metric, row.weak_predictions),
        measured.scores(metric, row.student_predictions),
        measured.scores(metric, row.ceiling_predictions),
        measured.resample,
        higher_is_better=METRICS[metric].higher_is_better,
        self_pair=row.self_pair,
    )


def row_json(measured: Measured, row: Row, metric: str, naive: Row | None, slice_name: str | None) -> dict[str, Any]:
    """Return the row's scores, gap, PGR and difference to naive; agreement and calibration on the whole test split."""
    scores = {
        "weak_score": measured.scores(metric, row.weak_predictions),
        "student": measured.scores(metric, row.student_predictions),
        "ceiling": measured.scores(metric, row.ceiling_predictions),
    }
    recovered = gap_recovered(measured, row, metric)
    whole = slice_name is None
    return {
        "key": f"{row.key}-{metric}" + (f"-{slice_name}" if slice_name else ""),
        "weak": row.weak,
        "strong": row.strong,
        "method": row.method,
        "chain": [row.weak, row.strong],
        "metric": metric,
        "higher_is_better": METRICS[metric].higher_is_better,
        "slice": slice_name,
        "labels": labels_json(measured, row) if whole else None,
        "truth": truth_of(measured, row),
        "control": row.control or False,
        "ceiling_kind": "plain",
        "n_test": len(measured.gold),
        **{name: mean_interval(one, measured.resample).to_json() for name, one in scores.items()},
        "gap": recovered.gap.to_json(),
        "pgr": _pgr_json(recovered, metric),
        "vs_naive": _versus_naive(measured, row, metric, naive),
        "agreement": _agreement(measured, row) if whole and metric == "accuracy" else None,
        "calibration": _calibration(measured, row) if whole and metric == "accuracy" else None,
        "per_seed": [
            {"seed": seed, **{name: finite(one.point[i]) for name, one in scores.items()}}
            for i, seed in enumerate(measured.seeds)
        ],
    }


def finite(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def _pgr_json(recovered: PGR, metric: str) -> dict[str, Any]:
    if METRICS[metric].pgr:
        return recovered.to_json()
    reason = f"No PGR for {METRICS[metric].title}: a share of it recovered has no meaning."
    return {"value": None, "low": None, "high": None, "status": "undefined", "reason": reason}


def _versus_naive(measured: Measured, row: Row, metric: str, naive: Row | None) -> dict[str, Any] | None:
    """Return the paired difference to the naive student; None for naive itself and where naive was not run."""
    if naive is None or naive.key == row.key:
        return None
    ours, theirs = measured.scores(metric, row.student_predictions), measured.scores(metric, naive.student_predictions)
    difference = difference_interval(ours, theirs, measured.resample)
    found = {"delta": difference.mean, "low": difference.low, "high": difference.high, "p": None, "p_holm": None}
    if metric != "accuracy":
        return found | {"reason": "McNemar's test is about right and wrong answers: see the accuracy row."}
    right = [
        measured.stacked(models).argmax(-1) == measured.gold
        for models in (row.student_predictions, naive.student_predictions)
    ]
    return found | {"p": mcnemar(right[0], right[1]).p, "reason": difference.reason}


def adjust_for_methods(rows: list[dict[str, Any]]) -> None:
    """Fill in `p_holm`: Holm over the methods (not the controls) of one pair, slice and metric."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["vs_naive"] and row["vs_naive"]["p"] is not None and not row["control"]:
            family = (row["weak"], row["strong"], row["metric"], row["slice"])
            families.setdefault(family, []).append(row["vs_naive"])
    for tests in families.values():
        for test, adjusted in zip(tests, holm([one["p"] for one in tests]), strict=True):
            test["p_holm"] = adjusted


def _agreement(measured: Measured, row: Row) -> dict[str, Any]:
    student, weak = measured.stacked(row.student_predictions), measured.stacked(row.weak_predictions)
    return agreement(student, weak, measured.gold, measured.resample).to_json()


def _calibration(measured: Measured, row: Row) -> dict[str, Any]:
    """Return ECE with its interval, and the curves of student, weak model and ceiling over all seeds together."""
    gold = np.tile(measured.gold, len(measured.seeds))

    def curve(models: Sequence[int]) -> list[dict[str, Any]]:
        stacked = measured.stacked(models)
        return [dict(vars(one)) for one in calibration_curve(stacked.reshape(-1, stacked.shape[-1]), gold)]

    ece = mean_interval(measured.scores("ece", row.student_predictions), measured.resample)
    return {
        "ece": ece.to_json(),
        "curve": curve(row.student_predictions),
        "weak_curve": curve(row.weak_predictions),
        "ceiling_curve": curve(row.ceiling_predictions),
    }
