"""Two runs side by side: row by row, the second minus the first."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from trimtab.report.groups import Results, Row, metric_name, row_name, slice_name
from trimtab.report.numbers import NONE, decimal
from trimtab.report.untrusted import printable, short

Span = dict[str, Any]


def difference(first: Row | None, second: Row | None, field: str = "mean") -> Span | None:
    """Return second minus first with an interval from the two intervals, as if they were independent.

        low = d - sqrt((b - b_low)^2 + (a_high - a)^2),   high = d + sqrt((b_high - b)^2 + (a - a_low)^2)

    None where one of them has no value; `low` and `high` are None where one of them has no interval.
    Zou and Donner 2008, Statistics in Medicine 27, 1693-1702  https://doi.org/10.1002/sim.3095

    >>> difference({"mean": 0.8, "low": 0.77, "high": 0.83}, {"mean": 0.9, "low": 0.86, "high": 0.94})["low"]
    0.05
    """
    if first is None or second is None or first.get(field) is None or second.get(field) is None:
        return None
    a, b = float(first[field]), float(second[field])
    a_low, a_high, b_low, b_high = (block.get(end) for block in (first, second) for end in ("low", "high"))
    if a_low is None or a_high is None or b_low is None or b_high is None:
        return {"delta": b - a, "low": None, "high": None}
    delta = b - a
    low, high = delta - math.hypot(b - b_low, a_high - a), delta + math.hypot(b_high - b, a - a_low)
    return {"delta": delta, "low": round(low, 12), "high": round(high, 12)}


def compare_rows(results_a: Results, results_b: Results) -> dict[str, Any]:
    """Return the comparison as plain data: rows in both runs, rows in one only, and what makes them differ."""
    rows_a, rows_b = ({row["key"]: row for row in results.get("rows") or ()} for results in (results_a, results_b))
    return {
        "a": results_a.get("name"),
        "b": results_b.get("name"),
        "same_test_items": _same_test_items(results_a, results_b),
        "rows": [_compared(rows_a[key], rows_b[key]) for key in rows_a if key in rows_b],
        "only_a": [key for key in rows_a if key not in rows_b],
        "only_b": [key for key in rows_b if key not in rows_a],
        "remarks": remarks(results_a, results_b),
    }


def remarks(results_a: Results, results_b: Results) -> list[str]:
    """Return what must be known before two runs are compared."""
    said = []
    same = _same_test_items(results_a, results_b)
    if same is None:
        said.append("A run does not say which test items it used, so the two cannot be compared as paired.")
    elif not same:
        said.append(
            "The runs do not share their test items (test digests differ), so they cannot be compared as paired: "
            "a difference between them is also a difference between items."
        )
    else:
        said.append(
            "Same test items. The intervals below treat the runs as independent, which is too wide for paired runs; "
            "a paired test needs both methods in one experiment."
        )
    if results_a.get("seeds") != results_b.get("seeds"):
        said.append(f"Seeds differ: {_seeds(results_a)} against {_seeds(results_b)}.")
    models_a, models_b = results_a.get("models") or {}, results_b.get("models") or {}
    for key in sorted(models_a.keys() & models_b.keys()):
        changed = [
            f"{printable(name)} {printable(models_a[key].get(name))} against {printable(models_b[key].get(name))}"
            for name in ("model", "revision", "layer", "fit", "precision")
            if models_a[key].get(name) != models_b[key].get(name)
        ]
        if changed:
            said.append(f"Model {printable(key)} differs: {'; '.join(changed)}.")
    return said


def compare_table(results_a: Results, results_b: Results, *, everything: bool = False) -> str:
    """Return the comparison as aligned text: student score and PGR of both runs and their difference, B minus A.

    The main metric of A on the whole test split; with `everything`, also the other metrics and the slices.
    """
    compared = compare_rows(results_a, results_b)
    head = ("row", "score A", "score B", "B - A", "PGR A", "PGR B", "B - A")
    shown = compared["rows"] if everything else _main(compared["rows"])
    body = [head, *(_printed(row) for row in shown)]
    widths = [max(len(row[column]) for row in body) for column in range(len(head))]
    printed = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in body]
    printed.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    only = [
        f"Only in {side}: {', '.join(printable(key) for key in compared[field])}."
        for side, field in (("A", "only_a"), ("B", "only_b"))
        if compared[field]
    ]
    names = f"A = {printable(compared['a'])}, B = {printable(compared['b'])}. Differences are B minus A."
    rest = len(compared["rows"]) - len(shown)
    more = [f"{rest} rows of other metrics and slices are not shown (--all)."] if rest else []
    said = [line for text in (names, *compared["remarks"], *only, *more) for line in textwrap.wrap(text, 100)]
    return "\n".join([*printed, "", *said])


def _main(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the first metric on the whole test split."""
    return [row for row in rows if row["metric"] == rows[0]["metric"] and row["slice"] is None]


def _printed(row: dict[str, Any]) -> tuple[str, ...]:
    score, gap = row["score"], row["pgr"]
    return (
        short(row["name"], 34),
        *(_number(score[side]) for side in "ab"),
        _span(score["difference"], 3),
        *(_gap(gap[side]) for side in "ab"),
        _span(gap["difference"], 2),
    )


def _compared(a: Row, b: Row) -> dict[str, Any]:
    return {
        "key": a["key"],
        "metric": a.get("metric"),
        "slice": a.get("slice"),
        "name": ", ".join(filter(None, [row_name(a), metric_name(str(a.get("metric"))), slice_name(a.get("slice"))])),
        "score": _sides(a.get("student"), b.get("student"), "mean"),
        "pgr": _sides(a.get("pgr"), b.get("pgr"), "value"),
    }


def _sides(a: Row | None, b: Row | None, field: str) -> dict[str, Any]:
    return {"a": a, "b": b, "difference": difference(a, b, field)}


def _same_test_items(results_a: Results, results_b: Results) -> bool | None:
    digests = [((results.get("splits") or {}).get("test") or {}).get("digest") for results in (results_a, results_b)]
    return None if None in digests else digests[0] == digests[1]


def _seeds(results: Results) -> str:
    return ", ".join(str(seed) for seed in results.get("seeds") or ()) or "none"


def _number(block: Row | None) -> str:
    return NONE if block is None or block.get("mean") is None else decimal(block["mean"])


def _gap(block: Row | None) -> str:
    if block is None:
        return ""
    if block.get("value") is None:
        return str(block.get("status") or "undefined").replace("_", " ")
    return decimal(block["value"], 2)


def _span(block: Span | None, digits: int) -> str:
    if block is None:
        return ""
    text = decimal(block["delta"], digits, signed=True)
    if block["low"] is None:
        return f"{text} (no interval)"
    return f"{text} [{decimal(block['low'], digits, signed=True)}, {decimal(block['high'], digits, signed=True)}]"
