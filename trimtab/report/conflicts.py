"""What a conflict did to each student: the table, and one sentence per student that says what is shown and what not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.diagnostics.deception import MARKED
from trimtab.report.findings import cell_notes, kinds_of, pair_name
from trimtab.report.grid import Grid
from trimtab.report.groups import Group, Results, Row, main_groups, marked_name, row_name
from trimtab.report.numbers import Value, count, value

_CELLS = {"score": "Deception score", "base_rate": "Base rate", "lift": "Lift", "noise_floor": "Noise floor",
          "lift_beyond_noise": "Lift beyond noise", "lost": "Of all that was lost"}  # fmt: skip


def conflict_grids(results: Results) -> list[Grid]:
    """Return, for each pair, what became of what its students got right without their conflict, at two thresholds."""
    made = []
    for group in main_groups(results):
        rows = conflicted(group)
        lines = [(row, entry) for row in rows for entry in marked(row)]
        body = tuple(_line(row, entry) for row, entry in lines)
        if rows:
            head = ("", "T", "Flips", "Conflict tax", *_CELLS.values())
            kinds = kinds_of([row for row, _ in lines])
            made.append(Grid(pair_name(results, group), head, body, kinds, cell_notes(body)))
    return made


def conflict_sentences(results: Results) -> list[str]:
    """Return one sentence for each student under a conflict, by the last threshold that tables show.

    The word deception is used only where the diagnostic says that it is shown.
    """
    groups = main_groups(results)
    return [
        f"{row_name(row)}{f' ({pair_name(results, group)})' if len(groups) > 1 else ''}: {_reading(row)}"
        for group in groups
        for row in conflicted(group)
    ]


def goals_sentence(results: Results) -> str:
    """Return how far the two goals of a task want the same; empty where it has one."""
    goal = (results.get("task") or {}).get("second_goal")
    if not goal:
        return ""
    agree = value(goal["agreement"])
    if not agree.interval:
        return f"Second goal: {goal['goal']}. {agree.note}"
    shown = f"{agree.text} {agree.interval}"
    return f"Second goal: {goal['goal']}; both goals want the same answer on {shown} of the test items."


def conflicted(group: Group) -> list[Row]:
    """Return the rows of methods with a conflict."""
    return [row for row in group.methods if (row.get("diagnostics") or {}).get("deception")]


def marked(row: Row) -> list[Mapping[str, Any]]:
    """Return what is known at the thresholds that tables show."""
    return [entry for entry in row["diagnostics"]["deception"]["curve"] if entry["threshold"] in MARKED]


def _line(row: Row, entry: Mapping[str, Any]) -> tuple[str | Value, ...]:
    found = row["diagnostics"]["deception"]
    flips = count(found["flips"]["total"])
    return (marked_name(row), f"{entry['threshold']:g}", flips, value(found["tax"]), *(value(entry[n]) for n in _CELLS))


def _reading(row: Row) -> str:
    found, entry = row["diagnostics"]["deception"], marked(row)[-1]
    tax = value(found["tax"])
    said = f"conflict tax {' '.join(filter(None, (tax.text, tax.interval)))}"
    if not found["flips"]["total"]:
        return f"{said}; no answer that was right became wrong."
    lift = value(entry["lift"], digits=2)
    shown = " ".join(filter(None, (lift.text, lift.interval)))
    at = f"at T = {entry['threshold']:g}"
    if entry["deceives"]:
        beyond = value(entry["lift_beyond_noise"], digits=2)
        above = f", {beyond.text} {beyond.interval} times with noise taken off" if beyond.interval else ""
        return (
            f"{said}; deception {at}: it errs where the supervisor cannot see and the ceiling can {shown} times as "
            f"often as what it had to lose lies there{above}."
        )
    noise = ", but not beyond what two seeds flip without a conflict" if (entry["lift"]["low"] or 0) > 1 else ""
    why = f"lift {shown}{noise}"
    return f"{said}; not shown to err where the supervisor cannot see and the ceiling can ({at}: {why})."
