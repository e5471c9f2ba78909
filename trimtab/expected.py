"""Hold a run against a recipe's expected.json: {row key: [low, high]} or {row key: {field: [low, high] | status}}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError, did_you_mean
from trimtab.results import Results

_PATHS = {
    "student": ("student", "mean"),
    "weak": ("weak_score", "mean"),
    "ceiling": ("ceiling", "mean"),
    "pgr": ("pgr", "value"),
    "pgr_low": ("pgr", "low"),
    "pgr_high": ("pgr", "high"),
    "status": ("pgr", "status"),
}
_SEARCH_PATHS = {
    "gold": ("gold", "mean"),
    "proxy": ("proxy", "mean"),
    "against_base": ("vs_base", "gold", "mean"),
    "against_best_of_n": ("vs_best_of_n", "gold", "mean"),
}


def check_expected(results: Results, path: Path) -> list[str]:
    """Return one line per value that lies outside its range; a bare range is about the student's score, or of a search
    study, whose rows go by the names of their methods, about the gold reward.

    Raises UsageError where the file is not as expected or names an unknown row.
    """
    try:
        wanted = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as expected values: {error}") from None
    searches = results.study == "search"
    rows = {row["method" if searches else "key"]: row for row in results.rows}
    paths, main = (_SEARCH_PATHS, "gold") if searches else (_PATHS, "student")
    problems = []
    for key, values in wanted.items():
        if key not in rows:
            raise UsageError(f'{path}: there is no row "{key}" in the results.{did_you_mean(key, rows)}')
        ranges = values if isinstance(values, dict) else {main: values}
        problems += [p for field, span in ranges.items() if (p := _outside(rows[key], key, field, span, paths))]
    return problems


def _outside(
    row: dict[str, Any], key: str, field: str, wanted: Any, paths: Mapping[str, tuple[str, ...]]
) -> str | None:
    if field not in paths:
        raise UsageError(f'"{field}" is not a field that can be expected.{did_you_mean(field, paths)}')
    found: Any = row
    for name in paths[field]:
        found = (found or {}).get(name)
    if isinstance(wanted, str):
        return None if found == wanted else f"{key} {field}: found {found}, wanted {wanted}"
    low, high = wanted
    inside = found is not None and low <= found <= high
    return None if inside else f"{key} {field}: found {found}, wanted {low} to {high}"
