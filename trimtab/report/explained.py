"""The tables of what explains a score: the supervisor's errors in the student, and how far it departs from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.report.findings import cell_notes, kinds_of, note_of_all, pair_name
from trimtab.report.grid import Grid
from trimtab.report.groups import Results, main_groups, marked_name, pair_of
from trimtab.report.numbers import Value, value

_ERRORS = {
    "inherited": "Inherited",
    "new": "New",
    "phi": "Correlation (phi)",
    "kappa": "Kappa",
    "phi_against_flipped": "Phi against control (a)",
}
_MISFIT = {"misfit": "Misfit", "gain": "Gain", "gain_less_misfit": "Gain less misfit"}
_SIGNED = ("phi_against_flipped", "gain", "gain_less_misfit")


def error_grids(results: Results) -> list[Grid]:
    """Return what became of the supervisor's errors in each student."""
    return _grids(results, ("", *_ERRORS.values()), _errors)


def misfit_grids(results: Results) -> list[Grid]:
    """Return each student's departure from its supervisor, and what it gained by it, in two divergences."""
    head = [f"{word}, {unit}" for unit in ("nats", "squared") for word in _MISFIT.values()]
    return _grids(results, ("", *head), _misfit)


def overlap_grid(results: Results) -> Grid | None:
    """Return in how many items what the supervisor knows meets what only the student can use; None without pairs."""
    words = {
        "hard": "Hard",
        "overlap": "Overlap",
        "easy": "Easy",
        "certainty_parted": "Hard parted",
        "likeness_parted": "Overlap parted",
    }
    found = results.get("overlap_density") or ()
    if not found:
        return None
    body = tuple((pair_of(results, one), *(value(one.get(name)) for name in words)) for one in found)
    head = ("", *words.values())
    return Grid("Shares of the transfer items", head, body, notes=cell_notes(body), quiet=note_of_all(body))


def _grids(results: Results, head: tuple[str, ...], cells: Any) -> list[Grid]:
    made = []
    for group in main_groups(results):
        rows = [row for row in group.rows if row.get("diagnostics")]
        body = tuple((marked_name(row), *cells(row["diagnostics"])) for row in rows)
        if rows:
            name = pair_name(results, group)
            made.append(Grid(name, head, body, kinds_of(rows), cell_notes(body), note_of_all(body)))
    return made


def _errors(diagnostics: Mapping[str, Any]) -> Sequence[Value]:
    return _cells(diagnostics.get("errors") or {}, _ERRORS)


def _misfit(diagnostics: Mapping[str, Any]) -> Sequence[Value]:
    found = diagnostics.get("misfit") or {}
    return [cell for unit in ("nats", "squared") for cell in _cells(found.get(unit) or {}, _MISFIT)]


def _cells(block: Mapping[str, Any], names: Mapping[str, str]) -> list[Value]:
    return [value(block.get(name), signed=name in _SIGNED) for name in names]
