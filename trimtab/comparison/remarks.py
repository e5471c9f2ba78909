"""What a reader must be told beside the numbers: warnings, and how naive compares with control (a)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.comparison.measured import Measured
from trimtab.comparison.row import Row
from trimtab.metrics.intervals import difference_interval
from trimtab.metrics.resolution import resolvable_gap

FEW_TEST_ITEMS = 200
FEW_SEEDS = 3


def control_remarks(measured: Measured, rows: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """Return one sentence per pair: is the naive student better than noise averaging alone explains?"""
    remarks = []
    naive = {(row.weak, row.strong): row for row in rows if row.method == "naive" and not row.control}
    for row in rows:
        student = naive.get((row.weak, row.strong))
        if row.control != "flipped_truth" or student is None:
            continue
        ours, theirs = (measured.scores(metric, one.student_predictions) for one in (student, row))
        difference = difference_interval(ours, theirs, measured.resample)
        remarks.append(
            {
                "weak": row.weak,
                "strong": row.strong,
                "difference": difference.to_json(),
                "sentence": _sentence(ours.point.mean(), theirs.point.mean(), difference, metric, len(measured.seeds)),
            }
        )
    return remarks


def _sentence(ours: float, theirs: float, difference: Any, metric: str, seeds: int) -> str:
    measured = f"Naive reaches {metric} {ours:.3f}, the same student on ground truth with random flips {theirs:.3f}"
    if difference.low is None:
        return f"{measured}; the difference has no interval ({difference.reason})."
    span = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], {seeds} seeds"
    if difference.low > 0:
        return f"{measured} ({span}): averaging out independent label errors does not explain how good it is."
    if difference.high < 0:
        return f"{measured} ({span}): the supervisor's errors cost it more than as many random ones."
    return f"{measured} ({span}): averaging out independent label errors alone may explain how good it is."


def warnings(
    rows: Sequence[dict[str, Any]],
    metric: str,
    fits: dict[str, list[dict[str, Any]]],
    notes: Sequence[str],
    n_test: int,
    seeds: int,
) -> list[dict[str, Any]]:
    """Return what limits the results, each with a code, the row it is about, and one sentence."""
    found = [{"code": "data", "row": None, "text": note} for note in notes]
    if n_test < FEW_TEST_ITEMS:
        text = f"The test split has {n_test} items: gaps below about {resolvable_gap(n_test):.2f} cannot be seen."
        found.append({"code": "small_test", "row": None, "text": text})
    if seeds < FEW_SEEDS:
        text = f"{seeds} seed{'s' if seeds > 1 else ''}: little or nothing is known about the spread between seeds."
        found.append({"code": "few_seeds", "row": None, "text": text})
    for row in rows:
        status = row["pgr"]["status"]
        shown = row["metric"] == metric and row["slice"] is None and not row["control"]
        if shown and status in ("no_gap", "reversed", "imprecise"):
            found.append({"code": status, "row": row["key"], "text": row["pgr"]["reason"]})
    return found + _fit_warnings(fits)


def missing_controls(rows: Sequence[Row], models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a warning per strong model whose zero-shot control could not be run."""
    strong = {row.strong for row in rows if row.control}
    asked = {row.strong for row in rows if row.control == "zero_shot"}
    text = "no zero-shot control: the weights come without a language head"
    return [
        {"code": "no_zero_shot", "row": key, "text": f"{models[key]['model']}: {text}."}
        for key in sorted(strong - asked)
    ]


def _fit_warnings(fits: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    found = []
    for key, facts in fits.items():
        edge = sorted({one["strength"] for one in facts if one.get("strength_at_edge")})
        if edge:
            text = (
                f"The chosen penalty {edge} is at the edge of the grid: a better one may lie outside; widen strengths."
            )
            found.append({"code": "strength_edge", "row": key, "text": text})
        if any(one.get("converged") is False for one in facts):
            text = "A fit stopped at max_steps before its gradient was small; raise max_steps or the penalty."
            found.append({"code": "not_converged", "row": key, "text": text})
    return found
