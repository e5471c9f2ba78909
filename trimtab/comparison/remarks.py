"""What a reader must be told beside the numbers: warnings, and how naive compares with control (a)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trimtab.comparison.grid_edge import edge_warnings
from trimtab.comparison.row import Row
from trimtab.comparison.rows import gap_recovered
from trimtab.comparison.tested import Tested
from trimtab.metrics import METRICS
from trimtab.metrics.intervals import Interval, difference_interval
from trimtab.metrics.resolution import resolvable_gap

FEW_TEST_ITEMS = 200
FEW_SEEDS = 3


def control_remarks(tested: Tested, rows: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """Return one sentence per pair: is the naive student better than noise averaging alone explains?"""
    remarks = []
    naive = {(row.weak, row.strong): row for row in rows if row.method == "naive" and not row.control}
    for row in rows:
        student = naive.get((row.weak, row.strong))
        if row.control != "flipped_truth" or student is None:
            continue
        ours, theirs = (tested.scores(metric, one.student_predictions) for one in (student, row))
        difference = difference_interval(ours, theirs, tested.resample)
        scores = (
            f"Naive reaches {METRICS[metric].title} {ours.point.mean():.3f}, "
            f"control (a), the same student on ground truth with random flips, {theirs.point.mean():.3f}"
        )
        recovered = gap_recovered(tested, student, metric).value is not None
        reading = control_reading(difference, recovered, higher_is_better=METRICS[metric].higher_is_better)
        remarks.append(
            {
                "weak": row.weak,
                "strong": row.strong,
                "difference": difference.to_json(),
                "sentence": f"{scores} ({_span(difference, len(tested.seeds))}): {reading}.",
            }
        )
    return remarks


def control_reading(difference: Interval, recovered: bool, *, higher_is_better: bool = True) -> str:
    """Return what the difference naive - control (a) means, for a pair whose naive student recovered a gap or not.

    Where no gap was recovered there is nothing that averaging could explain, so only the two kinds of errors are
    compared.
    """
    if difference.low is None or difference.high is None:
        return "nothing can be said about what explains the score"
    low, high = difference.low, difference.high
    better, worse = (low > 0, high < 0) if higher_is_better else (high < 0, low > 0)
    if recovered and not worse:
        explains = "does not explain" if better else "alone may explain"
        return f"averaging out independent label errors {explains} how good naive is"
    if better:
        return "the supervisor's errors cost naive less than as many random ones"
    if worse:
        return "the supervisor's errors cost naive more than as many random ones"
    return "the supervisor's errors are not shown to cost naive more or less than as many random ones"


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


def split_warnings(splits: Mapping[str, Any], tested: Collection[int], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return what limits the results because of who is in the splits: no redraw by seed, a class that is not tested.

    `tested` are the numbers of the classes that some test item has.
    """
    found = []
    drawn = {one["digest"] for one in splits["transfer"]["per_seed"]}
    if len(drawn) == 1 < len(splits["transfer"]["per_seed"]):
        text = (
            "The supervisor and the transfer split are the same for all seeds: seeds differ in folds and "
            "initialisation only, and the intervals do not say what another choice of training items would change."
        )
        found.append({"code": "fixed_splits", "row": None, "text": text})
    absent = [name for number, name in enumerate(classes) if number not in tested]
    if absent:
        text = (
            f"The test split has no item of class {', '.join(absent)}: nothing is known of how well it is told apart."
        )
        found.append({"code": "untested_class", "row": None, "text": text})
    return found


def missing_controls(
    rows: Sequence[Row], models: Mapping[str, Any], refused: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return a warning per strong model whose zero-shot control could not be run.

    `refused` says why by row key ("w0-s0-zero_shot"); the others are tables, or have no language head to ask.
    """
    strong = {row.strong for row in rows if row.control}
    asked = {row.strong for row in rows if row.control == "zero_shot"}
    reasons = {key.split("-")[1]: reason for key, reason in refused.items()}

    def unasked(key: str) -> str:
        table = "features" in models[key]
        return "a table of features cannot be asked" if table else "the weights come without a language head"

    return [
        {
            "code": "no_zero_shot",
            "row": key,
            "text": f"{models[key]['model']}: no zero-shot control: {reasons.get(key) or unasked(key)}.",
        }
        for key in sorted(strong - asked)
    ]


def _fit_warnings(fits: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    found = []
    for key, facts in fits.items():
        found += [{"code": "strength_edge", "row": key, "text": text} for text in edge_warnings(facts)]
        if any(one.get("converged") is False for one in facts):
            text = (
                "A fit stopped at max_steps before its gradient was small; raise max_steps or the penalty. Of an "
                "objective of your own, suspect `curvature` first: where it is too small, steps overshoot, however "
                "many they are."
            )
            found.append({"code": "not_converged", "row": key, "text": text})
    return found


def _span(difference: Interval, seeds: int) -> str:
    counted = f"{seeds} seed{'s' if seeds != 1 else ''}"
    if difference.mean is None:
        return f"no difference: {difference.reason}"
    if difference.low is None or difference.high is None:
        return f"difference {difference.mean:+.3f}, no interval: {difference.reason}"
    return f"difference {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], {counted}"
