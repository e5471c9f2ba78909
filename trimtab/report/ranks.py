"""Several runs of the same methods: which place each method takes on average.

    rank of a method in a run and pair = 1 + methods with a better score + half of the others with the same one

Demsar 2006, section 3.2.2 (mean ranks over data sets)  https://jmlr.org/papers/v7/demsar06a.html
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from typing import Any

from trimtab.errors import UsageError
from trimtab.metrics.intervals import LEVEL, critical_values
from trimtab.report.groups import Results, metric_name
from trimtab.report.numbers import decimal
from trimtab.report.untrusted import printable, short

ENOUGH = 6
"""Runs from which an interval over them is given; with fewer, mean ranks only describe."""


def ranked(scores: dict[str, float], *, higher_is_better: bool) -> dict[str, float]:
    """Return each name's rank, 1 the best; equal scores share the mean of their places.

    >>> ranked({"a": 0.9, "b": 0.8, "c": 0.9}, higher_is_better=True)
    {'a': 1.5, 'b': 3.0, 'c': 1.5}
    """
    sign = -1 if higher_is_better else 1
    values = {name: sign * value for name, value in scores.items()}
    return {
        name: 1 + sum(other < mine for other in values.values()) + (sum(o == mine for o in values.values()) - 1) / 2
        for name, mine in values.items()
    }


def mean_ranks(runs: Sequence[Results]) -> dict[str, Any]:
    """Return each method's mean rank over runs and pairs, by the main metric of the first run on the whole test split.

    Only methods that every pair of every run has are ranked. Raises UsageError where there are fewer than two.
    """
    if len({json.dumps(dict(run), sort_keys=True, default=str) for run in runs}) < len(runs):
        raise UsageError("one of the runs is named twice: it would count as two data sets; name each run once")
    metric = str((runs[0].get("rows") or [{}])[0].get("metric"))
    tables: list[dict[str, Any]] = []
    for place, run in enumerate(runs):
        tables += [table | {"run": str(place)} for table in _pairs(run, metric)]
    shared = [name for name in (tables[0]["scores"] if tables else ()) if all(name in one["scores"] for one in tables)]
    if len(shared) < 2:
        raise UsageError(
            f"{len(shared)} methods are in all of these runs under {metric}: two or more are needed to rank them"
        )
    better = bool(tables[0]["higher_is_better"])
    places = [ranked({name: one["scores"][name] for name in shared}, higher_is_better=better) for one in tables]
    of_run = [one["run"] for one in tables]
    rows = [_row(name, [one[name] for one in places], of_run) for name in shared]
    return {
        "metric": metric,
        "runs": [run.get("name") for run in runs],
        "pairs": [one["pair"] for one in tables],
        "rows": sorted(rows, key=lambda row: row["mean_rank"]),
        "remark": _remark(len(dict.fromkeys(of_run))),
    }


def ranks_table(found: dict[str, Any]) -> str:
    """Return mean ranks as aligned text."""
    columns = [printable(one) for one in found["pairs"]]
    head: tuple[str, ...] = ("method", "mean rank", *(f"({i + 1})" for i in range(len(columns))))
    body: list[tuple[str, ...]] = [head]
    for row in found["rows"]:
        span = "" if row["low"] is None else f" [{decimal(row['low'], 1)}, {decimal(row['high'], 1)}]"
        ranks = (decimal(one, 1) for one in row["ranks"])
        body.append((short(row["method"], 34), decimal(row["mean_rank"], 1) + span, *ranks))
    widths = [max(len(row[i]) for row in body) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in body]
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    named = [f"({i + 1}) {name}" for i, name in enumerate(columns)]
    said = [f"Ranks by {metric_name(found['metric'])}, 1 is the best of {len(found['rows'])}.", found["remark"]]
    return "\n".join([*lines, "", *named, *(line for text in said for line in textwrap.wrap(text, 100))])


def _pairs(run: Results, metric: str) -> list[dict[str, Any]]:
    """Return the methods' scores of each pair of a run."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in run.get("rows") or ():
        mean = (row.get("student") or {}).get("mean")
        if row.get("metric") != metric or row.get("slice") is not None or row.get("control") or mean is None:
            continue
        pair = found.setdefault((row["weak"], row["strong"]), {"scores": {}})
        pair["scores"][row["method"]] = float(mean)
        pair["higher_is_better"] = row["higher_is_better"]
    models = run.get("models") or {}
    for (weak, strong), pair in found.items():
        sides = (_called(models.get(key) or {}, key) for key in (weak, strong))
        pair["pair"] = f"{run.get('name')}: {' to '.join(sides)}"
    return list(found.values())


def _called(model: dict[str, Any], key: str) -> str:
    layer = model.get("layer")
    return f"{model.get('model', key)}" + ("" if layer is None else f", layer {layer}")


def _row(method: str, ranks: list[float], runs: list[str]) -> dict[str, Any]:
    """Return a method's ranks and their mean; with enough runs a t interval over the runs' own means."""
    of_run = [_mean([rank for rank, run in zip(ranks, runs, strict=True) if run == one]) for one in dict.fromkeys(runs)]
    low = high = None
    if len(of_run) >= ENOUGH:
        _, student = critical_values(len(of_run), LEVEL)
        centre = _mean(of_run)
        spread = math.sqrt(math.fsum((one - centre) ** 2 for one in of_run) / (len(of_run) - 1) / len(of_run))
        low, high = max(1.0, centre - student * spread), centre + student * spread
    return {"method": method, "mean_rank": _mean(of_run), "low": low, "high": high, "ranks": ranks}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _remark(runs: int) -> str:
    if runs < ENOUGH:
        few = f"{runs} runs are" if runs > 1 else "one run is"
        return f"Descriptive only: {few} too few for an interval over data sets."
    return f"Intervals (95 %, t) are over {runs} runs, each with the mean of its pairs."
