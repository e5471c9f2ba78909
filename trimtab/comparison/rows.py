"""One row of results.json: a student of a pair under one metric, with everything that is said about it."""

from __future__ import annotations

import math
from typing import Any

from trimtab.comparison.conflict import deceived
from trimtab.comparison.labels import labels_json, truth_of
from trimtab.comparison.row import Beside, ConflictedRow, Row
from trimtab.comparison.tested import Models, Tested
from trimtab.diagnostics.errors import errors_json, joint_errors
from trimtab.diagnostics.misfit import misfit_and_gain, misfit_json
from trimtab.diagnostics.per_item import Means
from trimtab.metrics import METRICS
from trimtab.metrics.estimate import Estimate
from trimtab.metrics.intervals import difference_interval, mean_interval
from trimtab.metrics.paired import holm
from trimtab.metrics.pgr import PGR, performance_gap_recovered


def gap_recovered(tested: Tested, row: Row, metric: str) -> PGR:
    """Return a row's PGR under a metric."""
    return performance_gap_recovered(
        tested.scores(metric, row.weak_predictions),
        tested.scores(metric, row.student_predictions),
        tested.scores(metric, row.ceiling_predictions),
        tested.resample,
        higher_is_better=METRICS[metric].higher_is_better,
        self_pair=row.self_pair,
    )


def row_json(tested: Tested, row: Row, metric: str, beside: Beside, slice_name: str | None) -> dict[str, Any]:
    """Return the row's scores, gap, PGR and difference to naive; on the whole test split also what explains them."""
    scores = {
        "weak_score": tested.scores(metric, row.weak_predictions),
        "student": tested.scores(metric, row.student_predictions),
        "ceiling": tested.scores(metric, row.ceiling_predictions),
    }
    recovered = gap_recovered(tested, row, metric)
    whole = slice_name is None
    explained = whole and metric == "accuracy"
    return {
        "key": f"{row.key}-{metric}" + (f"-{slice_name}" if slice_name else ""),
        "weak": row.weak,
        "strong": row.strong,
        "method": row.method,
        "chain": [row.weak, *row.chain, row.strong],
        "metric": metric,
        "higher_is_better": METRICS[metric].higher_is_better,
        "slice": slice_name,
        "labels": labels_json(tested, row) if whole else None,
        "truth": truth_of(tested, row),
        "control": row.control or False,
        "ceiling_kind": row.ceiling_kind,
        "n_test": tested.n_test,
        **{name: mean_interval(one, tested.resample).to_json() for name, one in scores.items()},
        "gap": recovered.gap.to_json(),
        "pgr": _pgr_json(recovered, metric),
        "vs_naive": _versus_naive(tested, row, metric, beside.naive),
        "agreement": _agreement(tested, row) if explained else None,
        "calibration": _calibration(tested, row) if explained else None,
        "diagnostics": _diagnostics(tested, row, beside.flipped) if explained else None,
        "per_seed": [
            {"seed": seed, **{name: finite(one.point[i]) for name, one in scores.items()}}
            for i, seed in enumerate(tested.seeds)
        ],
    }


def finite(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def _pgr_json(recovered: PGR, metric: str) -> dict[str, Any]:
    if METRICS[metric].pgr:
        return recovered.to_json()
    reason = f"No PGR for {METRICS[metric].title}: a share of it recovered has no meaning."
    return Estimate(None, None, None, "undefined", reason).to_json()


def _versus_naive(tested: Tested, row: Row, metric: str, naive: Row | None) -> dict[str, Any] | None:
    """Return the paired difference to the naive student; None for naive itself and where naive was not run."""
    if naive is None or naive.key == row.key:
        return None
    ours, theirs = tested.scores(metric, row.student_predictions), tested.scores(metric, naive.student_predictions)
    difference = difference_interval(ours, theirs, tested.resample)
    found = {"delta": difference.mean, "low": difference.low, "high": difference.high, "p": None, "p_holm": None}
    if metric != "accuracy":
        return found | {"reason": "McNemar's test is about right and wrong answers: see the accuracy row."}
    found["p"] = tested.mcnemar(row.student_predictions, naive.student_predictions).p
    return found | {"reason": difference.reason}


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


def _agreement(tested: Tested, row: Row) -> dict[str, Any]:
    return tested.agreement(row.student_predictions, row.weak_predictions).to_json()


def _diagnostics(tested: Tested, row: Row, flipped: Row | None) -> dict[str, Any]:
    """Return what became of the supervisor's errors, and the student's departure from it beside what that gained."""

    def joint(one: Row) -> Means:
        return tested.means(one.student_predictions, one.weak_predictions, joint_errors)

    misfit = tested.means(row.student_predictions, row.weak_predictions, misfit_and_gain)
    conflict = {"deception": deceived(tested, row)} if isinstance(row, ConflictedRow) else {}
    return conflict | {
        "errors": errors_json(
            joint(row), joint(flipped) if flipped and flipped.key != row.key else None, tested.resample
        ),
        "misfit": misfit_json(misfit, tested.resample),
    }


def _calibration(tested: Tested, row: Row) -> dict[str, Any]:
    """Return ECE with its interval, and the curves of student, weak model and ceiling over all seeds together."""

    def curve(models: Models) -> list[dict[str, Any]]:
        return [dict(vars(one)) for one in tested.curve(models)]

    def error(models: Models) -> dict[str, Any]:
        return mean_interval(tested.scores("ece", models), tested.resample).to_json()

    return {
        "ece": error(row.student_predictions),
        "weak_ece": error(row.weak_predictions),
        "ceiling_ece": error(row.ceiling_predictions),
        "curve": curve(row.student_predictions),
        "weak_curve": curve(row.weak_predictions),
        "ceiling_curve": curve(row.ceiling_predictions),
    }
