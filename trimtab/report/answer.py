"""The result in a few sentences: what was recovered, how sure that is, what explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trimtab.report.groups import (
    Group,
    Results,
    Row,
    main_groups,
    metric_name,
    model_name,
    naive_row,
    row_name,
    truth_mark,
)
from trimtab.report.numbers import decimal, probability, value
from trimtab.report.untrusted import printable, short

NO_VALUE = {
    "no_gap": "the ceiling is not shown to beat the supervisor, so there is no gap to recover",
    "reversed": "the ceiling is worse than the supervisor",
    "self_pair": "supervisor and student are the same model",
}
"""Why there is no PGR; the numbers behind it stand below the table."""


def answer(results: Results) -> list[str]:
    """Return the sentences that open the report."""
    groups = [group for group in main_groups(results) if group.methods]
    if not groups:
        return ["This run compared no method with its supervisor."]
    said = _one_pair(results, groups[0]) if len(groups) == 1 else _several_pairs(results, groups)
    if len(control_sentences(results)) == 1:
        said += control_sentences(results)
    elif results.get("controls"):
        said.append(_over_pairs(results["controls"]))
    elif not any(group.controls for group in groups):
        said.append("No controls ran, so nothing here says what explains the recovery.")
    return [*said, *_how_sure(results)]


def control_sentences(results: Results) -> list[str]:
    """Return how naive compares with control (a), one sentence per pair of models, named where there are several."""
    remarks = results.get("controls") or ()
    if len(remarks) > 1:
        return [_of_pair(results, one) for one in remarks]
    sentence = remarks[0].get("sentence") if remarks else results.get("control_sentence")
    return [printable(sentence, 600)] if sentence else []


def _of_pair(results: Results, remark: Row) -> str:
    weak, strong = (model_name(results, remark.get(side)) for side in ("weak", "strong"))
    return f"{weak} to {strong}: {printable(remark.get('sentence'), 600)}"


def _over_pairs(remarks: Sequence[Row]) -> str:
    """Count in how many pairs naive scores above and below control (a)."""
    spans = [one.get("difference") or {} for one in remarks]
    above = sum(span.get("low") is not None and span["low"] > 0 for span in spans)
    below = sum(span.get("high") is not None and span["high"] < 0 for span in spans)
    return (
        f"Against control (a), ground truth with random flips, naive scores higher in {above} and lower in {below} of "
        f"{len(spans)} pairs, and is not told apart from it in {len(spans) - above - below}."
    )


def _one_pair(results: Results, group: Group) -> list[str]:
    first = naive_row(group) or group.methods[0]
    weak, student, ceiling = (_score(first, name) for name in ("weak_score", "student", "ceiling"))
    models = model_name(results, group.weak), model_name(results, group.strong)
    opening = (
        f"Trained on labels of {models[0]} ({metric_name(group.metric)} {weak}), {models[1]} reaches {student} "
        f"with the method {_marked(first)}; trained on ground truth for the same items it reaches {ceiling}."
    )
    said = [opening, _recovered(first)]
    others = [
        row for row in group.methods if row is not first and (row.get("vs_naive") or {}).get("p_holm") is not None
    ]
    if others:
        said.append(_others(others))
    return said


def _recovered(row: Row) -> str:
    block = row.get("pgr") or {}
    status, reason = str(block.get("status") or "undefined"), block.get("reason")
    if block.get("value") is None:
        why = NO_VALUE.get(status) or printable(reason or "no reason was recorded", 400).rstrip(".")
        return f"There is no PGR: {why}."
    low, high = block.get("low"), block.get("high")
    share = f"{100 * block['value']:.0f} % of the performance gap"
    between = "no bounded interval"
    if low is not None and high is not None:
        between = f"interval {100 * low:.0f} % to {100 * high:.0f} %"
    if status == "ok":
        return f"That recovers {share} ({between})."
    return f"That would be {share} ({between}), but the gap is small beside its error: {printable(status)}."


def _others(rows: list[Row]) -> str:
    clear = [row for row in rows if row["vs_naive"]["p_holm"] < 0.05]
    if not clear:
        lowest = min(row["vs_naive"]["p_holm"] for row in rows)
        names = ", ".join(_marked(row) for row in rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
        return f"No other method ({names}) is told apart from naive (smallest Holm-corrected p {probability(lowest)})."
    parts = [
        f"{_marked(row)} {decimal(row['vs_naive']['delta'], signed=True)} (p {probability(row['vs_naive']['p_holm'])})"
        for row in clear[:4]
    ]
    listed = ", ".join(parts) + (f" and {len(clear) - 4} more" if len(clear) > 4 else "")
    methods = f"{len(rows)} other methods" if len(rows) > 1 else "1 other method"
    differ = "differ" if len(clear) > 1 else "differs"
    return f"Of {methods}, {len(clear)} {differ} from naive after Holm's correction: {listed}."


def _several_pairs(results: Results, groups: list[Group]) -> list[str]:
    rows = [naive_row(group) or group.methods[0] for group in groups]
    statuses = Counter(str((row.get("pgr") or {}).get("status") or "undefined") for row in rows)
    values = [row["pgr"]["value"] for row in rows if (row.get("pgr") or {}).get("status") == "ok"]
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in statuses.items())
    said = [f"{len(groups)} pairs of models were compared by {metric_name(groups[0].metric)}; PGR of naive: {counts}."]
    if values:
        shares = f"{100 * min(values):.0f} % to {100 * max(values):.0f} %"
        said.append(f"Where it is ok it lies between {shares} of the gap; each value's interval is in its table.")
    return said


def _how_sure(results: Results) -> list[str]:
    seeds, interval = len(results.get("seeds") or ()), results.get("interval") or {}
    if interval.get("method") == "items_only" or seeds == 1:
        return ["Only one seed ran: the intervals hold the chance of the test items, not that of training."]
    return []


def _score(row: Row, name: str) -> str:
    shown = value(row.get(name))
    return " ".join(filter(None, [shown.text, shown.interval])) or "an unrecorded score"


def _marked(row: Row) -> str:
    mark, name = truth_mark(row), short(row_name(row), 48)
    return f"{name} [{mark}]" if mark else name
