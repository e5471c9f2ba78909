"""The table of what is kept on the easy items, where the split is by level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.report.findings import cell_notes, note_of_all, pair_name
from trimtab.report.grid import Grid
from trimtab.report.groups import Results, main_groups, marked_name, metric_name
from trimtab.report.numbers import NONE, Value, count, value
from trimtab.report.untrusted import first_up


def kept_grids(results: Results) -> list[Grid]:
    """Return the scores of supervisor, students and ceiling on the easy items that nobody was trained on."""
    made = []
    for group in main_groups(results):
        rows = [row for row in group.rows if row.get("kept")]
        if not rows:
            continue
        # a schedule may have a ceiling of its own; the plain one is that of most rows
        first = next((row for row in rows if row.get("ceiling_kind") == "plain"), rows[0])["kept"]
        students = [(marked_name(row), *_cells(row["kept"], "student")) for row in rows]
        supervisor = ("weak supervisor", value(first.get("weak_score")), NONE)
        body = (supervisor, *students, ("strong ceiling", *_cells(first, "ceiling")))
        kinds = ("weak", *("control" if row.get("control") else "method" for row in rows), "ceiling")
        head = ("", f"{first_up(metric_name(group.metric))} on easy items", "Against the supervisor there")
        name = f"{pair_name(results, group)}: {count(first['n_test'])} easy items"
        made.append(Grid(name, head, body, kinds, cell_notes(body), note_of_all(body)))
    return made


def _cells(block: Mapping[str, Any], name: str) -> tuple[Value, Value]:
    return value(block.get(name)), value(block.get(f"{name}_against_weak"), signed=True)
