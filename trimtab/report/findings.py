"""The tables of what was found: comparison, agreement, labels, single seeds, aggregates."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.report.grid import Grid, optional_decimal
from trimtab.report.groups import (
    Group,
    Results,
    Row,
    groups,
    main_groups,
    marked_name,
    metric_name,
    model_name,
    row_name,
    slice_name,
    truth_mark,
)
from trimtab.report.lines import caption, lines, notes, said_of_all
from trimtab.report.numbers import NONE, Value, count, value
from trimtab.report.untrusted import first_up, printable

MOST_SEED_ROWS = 200


def main_grids(results: Results) -> list[Grid]:
    """Return the comparison of every pair under the main metric."""
    return [comparison(results, group) for group in main_groups(results)]


def other_grids(results: Results) -> list[Grid]:
    """Return the comparison under all other metrics and in all slices."""
    shown = {(g.weak, g.strong, g.metric, g.slice) for g in main_groups(results)}
    return [comparison(results, g) for g in groups(results) if (g.weak, g.strong, g.metric, g.slice) not in shown]


def comparison(results: Results, group: Group) -> Grid:
    """Return one group as a table."""
    shown = lines(group)
    part = f", {slice_name(group.slice)}" if group.slice is not None else ""
    return Grid(
        f"{first_up(metric_name(group.metric))}{part}: {pair_name(results, group)}",
        ("", "Score", "PGR", "Against naive", "Holm p"),
        tuple((line.marked_name, line.score, line.gap, line.against, line.p) for line in shown),
        tuple(line.kind for line in shown),
        tuple(notes(results, group, shown)),
        said_of_all(shown),
        caption(results, group),
    )


def agreement_grids(results: Results) -> list[Grid]:
    """Return how often students agree with a supervisor that is right, and with one that is wrong."""
    made = []
    for group in main_groups(results):
        rows = [row for row in group.rows if row.get("agreement")]
        body = tuple(
            (
                marked_name(row),
                *(value(row["agreement"].get(side)) for side in ("when_weak_right", "when_weak_wrong")),
            )
            for row in rows
        )
        if rows:
            head = ("", "Supervisor right", "Supervisor wrong")
            made.append(Grid(pair_name(results, group), head, body, kinds_of(rows), cell_notes(body)))
    return made


def calibration_grids(results: Results) -> list[Grid]:
    """Return the expected calibration error of every student, beside those of its supervisor and its ceiling."""
    made = []
    for group in main_groups(results):
        rows = [row for row in group.rows if (row.get("calibration") or {}).get("ece")]
        names = ("weak_ece", "ece", "ceiling_ece")
        body = tuple((marked_name(row), *(value(row["calibration"].get(name)) for name in names)) for row in rows)
        if rows:
            head = ("", "ECE of the supervisor", "ECE of the student", "ECE of the ceiling")
            made.append(Grid(pair_name(results, group), head, body, kinds_of(rows), cell_notes(body)))
    return made


def label_grids(results: Results) -> list[Grid]:
    """Return what each student was told: how many labels it was given and kept, how right both are, and how much of
    them is ground truth."""
    made = []
    for group in main_groups(results):
        rows = [row for row in group.rows if row.get("labels")]
        body = tuple(_told(row) for row in rows)
        if rows:
            head = ("", "Weak labels", "Accuracy of weak labels", "Labels kept", "Accuracy of kept labels")
            made.append(
                Grid(
                    pair_name(results, group),
                    (*head, "Ground truth used", "Truth level"),
                    body,
                    kinds_of(rows),
                    cell_notes(body),
                    note_of_all(body),
                )
            )
    return made


def _told(row: Row) -> tuple[str | Value, ...]:
    labels = row["labels"]
    given, kept = (count(labels[name]) if labels.get(name) else NONE for name in ("weak", "kept"))
    gold = count(labels.get("gold") or 0) if labels.get("kept") else NONE
    accuracies = (value(labels.get(f"{name}_accuracy")) for name in ("weak", "kept"))
    right, still_right = (shown if shown.text else NONE for shown in accuracies)
    return (row_name(row), given, right, kept, still_right, gold, truth_mark(row) or "none")


def seed_grids(results: Results) -> list[Grid]:
    """Return every seed's scores under the main metric."""
    made = []
    for group in main_groups(results):
        body, names = [], ("weak_score", "student", "ceiling")
        for row in group.rows:
            for entry in row.get("per_seed") or ():
                scores = (entry.get(name, entry.get(name.removesuffix("_score"))) for name in names)
                seed = printable(entry.get("seed"))
                body.append((marked_name(row), seed, *(optional_decimal(score) for score in scores)))
        if body:
            head = ("", "Seed", "Supervisor", "Student", "Ceiling")
            left_out = len(body) - MOST_SEED_ROWS
            said = (f"{left_out:,} more lines are in results.json.",) if left_out > 0 else ()
            made.append(Grid(pair_name(results, group), head, tuple(body[:MOST_SEED_ROWS]), notes=said))
    return made


def aggregate_grid(results: Results) -> Grid | None:
    """Return the median PGR over pairs by the main metric; None where there is one pair."""
    every = list(results.get("aggregates") or ())
    entries = [entry for entry in every if entry.get("metric") == every[0].get("metric")]
    if not entries:
        return None
    body = tuple(
        (
            printable(entry.get("method")),
            metric_name(str(entry.get("metric", ""))),
            value(entry.get("median_pgr"), field="value", digits=2),
            *(count(entry.get(name) or 0) for name in ("n_ok", "n_imprecise", "n_no_gap", "n_other")),
        )
        for entry in entries
    )
    head = ("", "Metric", "Median PGR", "ok", "imprecise", "no gap", "other")
    return Grid(f"Over {printable(entries[0].get('over', 'pairs'))}", head, body, notes=cell_notes(body))


def pair_name(results: Results, group: Group) -> str:
    """Return weak and strong model of a group in words."""
    return f"{model_name(results, group.weak)} to {model_name(results, group.strong)}"


def kinds_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return whether each row is a method or a control."""
    return tuple("control" if row.get("control") else "method" for row in rows)


def note_of_all(body: Sequence[tuple[str | Value, ...]]) -> str:
    """Return the note that all numbers share, if there is one: such a note needs no mark."""
    said = {cell.note for row in body for cell in row if isinstance(cell, Value)}
    return said.pop() if len(said) == 1 else ""


def cell_notes(body: Sequence[tuple[str | Value, ...]]) -> tuple[str, ...]:
    """Return the notes of a table's numbers, each once."""
    said = dict.fromkeys(cell.note for row in body for cell in row if isinstance(cell, Value) and cell.note)
    return tuple(printable(note, 400) for note in said)
