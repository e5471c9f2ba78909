"""The result of a search study in a few sentences."""

from __future__ import annotations

from trimtab.report.numbers import decimal, probability, value
from trimtab.report.search.grids import Results, Row, name_of, rows
from trimtab.report.untrusted import printable

SURE = 0.05
"""Below such a corrected p-value a method is said to differ from the base model."""


def answer(results: Results) -> list[str]:
    """Return the sentences that open the report."""
    return [_guide(results), *_against_base(results), *_at_equal_compute(results), *_over_optimised(results)]


def _guide(results: Results) -> str:
    guide = results["guide"]
    found = value(guide["concordance"])
    says = "The guide passes its check" if guide["passes"] else "The guide does not pass its check"
    return (
        f"{says}: of two answers of the base model it prefers the one that the proxy reward prefers in "
        f"{found.text} {found.interval} of the pairs (0.5 is chance)."
    )


def _against_base(results: Results) -> list[str]:
    compared = [row for row in rows(results) if row.get("vs_base") and row["truth"] != "oracle"]
    if not compared:
        return ["No method is compared with the base model."]
    sure = [row for row in compared if row["vs_base"]["p_holm"] < SURE]
    above = [row for row in sure if row["vs_base"]["gold"]["mean"] > 0]
    below = [row for row in sure if row["vs_base"]["gold"]["mean"] <= 0]
    said = [
        f"Of {len(compared)} methods, {len(above)} {'is' if len(above) == 1 else 'are'} shown to raise the gold reward "
        f"over the base model and {len(below)} to lower it (p below {SURE}, Holm over the methods)."
    ]
    best = max(compared, key=lambda row: row["gold"]["mean"])
    return [*said, _best(best)]


def _best(row: Row) -> str:
    found = value(row["vs_base"]["gold"], digits=2, signed=True)
    p = probability(row["vs_base"]["p_holm"])
    return f"Highest is {name_of(row)}: {found.text} {found.interval} nats against the base model (p {p})."


def _at_equal_compute(results: Results) -> list[str]:
    found = [(name_of(row), row["vs_best_of_n"]["gold"]) for row in rows(results) if row["truth"] != "oracle"
             and (row.get("vs_best_of_n") or {}).get("gold")]  # fmt: skip
    better = [name for name, one in found if one["low"] is not None and one["low"] > 0]
    worse = [name for name, one in found if one["high"] is not None and one["high"] < 0]
    if not found:
        return ["No method could be set beside best-of-N at equal compute."]
    said = f"At equal compute, {_listed(better)} above best-of-N and {_listed(worse)} below it"
    return [f"{said}, of {len(found)} that could be compared (intervals, not corrected for their number)."]


def _listed(names: list[str]) -> str:
    if not names:
        return "none lies"
    return f"{printable(', '.join(names), 200)} {'lies' if len(names) == 1 else 'lie'}"


def _over_optimised(results: Results) -> list[str]:
    found = [row for row in rows(results) if (row.get("over_optimisation") or {}).get("low") is not None]
    more = [row for row in found if row["over_optimisation"]["low"] > 0 and row["truth"] != "oracle"]
    if not more:
        return []
    most = max(more, key=lambda row: row["over_optimisation"]["mean"])
    by = decimal(most["over_optimisation"]["mean"], 2)
    return [
        f"Under {len(more)} methods the proxy reward rises more than the gold reward does, most under {name_of(most)} "
        f"(by {by} nats): part of what the guide finds is its makers' error and not what they wanted."
    ]
