"""Learning curves on the page: what weak labels are worth in a sentence, and the numbers behind the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.report.findings import cell_notes, note_of_all
from trimtab.report.grid import Grid
from trimtab.report.groups import Results, metric_name, pair_of
from trimtab.report.numbers import count, decimal, value
from trimtab.report.untrusted import first_up, printable

Block = Mapping[str, Any]


def curves_of(results: Results) -> Sequence[Block]:
    """Return the pairs that have curves of some length."""
    return [one for one in results.get("curves") or () if one.get("sizes")]


def worth_sentences(results: Results) -> list[str]:
    """Return what all weak labels of each pair are worth, one sentence per pair."""
    return [f"{pair_of(results, one)}: {worth_sentence(one.get('worth') or {})}" for one in curves_of(results)]


def worth_sentence(worth: Block) -> str:
    """Return how many ground-truth labels teach as much as all weak ones, with the interval or why there is none.

    >>> worth_sentence({"of": 2000, "value": 310.0, "low": 240.0, "high": None, "status": "ok", "reason": None})
    '2,000 weak labels teach the student as much as 310 ground-truth labels [240, open]: one is worth 0.155 true ones.'
    """
    of, number = worth.get("of"), worth.get("value")
    labels = f"{count(of)} weak labels" if of else "all weak labels"
    reason = printable(worth.get("reason") or "", 400)
    if worth.get("status") in ("fewer", "more"):
        return f"{labels} are worth {worth['status']} ground-truth labels than were measured. {reason}{_ends(worth)}"
    if number is None:
        return f"what {labels} are worth is unknown: {reason or 'no reason was recorded'}"
    share = f": one is worth {decimal(number / of)} true ones" if of else ""
    said = f"{labels} teach the student as much as {count(number)} ground-truth labels {_span(worth)}{share}."
    return f"{said} {reason}".strip()


def curve_grids(results: Results) -> list[Grid]:
    """Return the scores of both curves at every size, one table per pair."""
    made = []
    for one in curves_of(results):
        columns = zip(one["sizes"], one["weak_labels"], one["ground_truth"], strict=True)
        body = tuple((count(size), value(weak), value(truth)) for size, weak, truth in columns)
        head = ("Labels", "Weak labels", "Ground truth")
        caption = f"{first_up(metric_name(str(one.get('metric'))))}: {pair_of(results, one)}"
        made.append(Grid(caption, head, body, notes=cell_notes(body), quiet=note_of_all(body)))
    return made


def _span(worth: Block) -> str:
    ends = (worth.get("low"), worth.get("high"))
    return f"[{', '.join('open' if end is None else count(end) for end in ends)}]"


def _ends(worth: Block) -> str:
    """Return the one end that an interval without a value has."""
    low, high = worth.get("low"), worth.get("high")
    if low is None and high is None:
        return " No size that was measured can be ruled out."
    return f" The interval is {_span(worth)}."
