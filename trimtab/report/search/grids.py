"""The tables of a search study: what every method reaches, how its answers read, the guide, the rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.report.grid import Grid, flattened, plain
from trimtab.report.numbers import NONE, Value, decimal, value
from trimtab.report.untrusted import printable

Results = Mapping[str, Any]
Row = Mapping[str, Any]
MARKS = {"none": "", "supervisor": "", "oracle": " (oracle)"}
"""What a name carries of the truth behind a row; a guide or a proxy reward is what every method of this kind has."""


def rows(results: Results) -> Sequence[Row]:
    """Return the methods, oracles last."""
    return sorted(results.get("rows") or (), key=lambda row: row["truth"] == "oracle")


def name_of(row: Row) -> str:
    """Return a method's name with a mark where it has seen the gold reward."""
    return printable(row["method"], 60) + MARKS.get(str(row["truth"]), "")


def main_grid(results: Results) -> Grid:
    """Return gold reward, difference to the base model and to best-of-N at equal compute, and cost."""
    body = tuple(
        (
            name_of(row),
            value(row["gold"], digits=2),
            _against(row),
            _p(row),
            _at_equal_compute(row),
            _short(row["cost"]["flops"] / 1e12),
            _short(row["cost"]["seconds"]),
        )
        for row in rows(results)
    )
    head = ("", "Gold reward", "Against base", "Holm p", "Against best-of-N, equal FLOPs", "TFLOP", "Seconds")
    kinds = tuple("control" if row["truth"] == "oracle" else "method" for row in rows(results))
    notes = tuple(
        f"{name_of(row)}: not beside best-of-N, since {row['vs_best_of_n']['reason']}"
        for row in rows(results)
        if (row.get("vs_best_of_n") or {}).get("reason")
    )
    quiet = _common_note(body)
    return Grid(
        "Reward that nobody was shown", head, body, kinds, (*_all_rows(quiet), *notes), quiet,
        "Log-odds of the positive class under the gold reward, in nats; cost for one prompt, counted as run",
    )  # fmt: skip


def reading_grid(results: Results) -> Grid:
    """Return the proxy reward, what of its rise is over-optimisation, and how the answers read."""
    body = tuple(
        (
            name_of(row),
            value(row["proxy"], digits=2),
            value(row.get("over_optimisation"), digits=2, signed=True),
            value(row["base_log_probability"], digits=2),
            value(row["ngram_log_probability"], digits=2),
            value(row["distinct"], digits=2),
            value(row["tokens"], digits=1),
        )
        for row in rows(results)
    )
    head = ("", "Proxy reward", "Over-optimisation", "Base model, nats a token", "4-gram, nats a word", "Distinct-2")
    quiet = _common_note(body)
    notes = (*_all_rows(quiet), "Distinct-2 has no interval: a draw with replacement holds prompts twice.")
    return Grid("Over-optimisation, fluency, diversity", (*head, "Tokens"), body, notes=notes, quiet=quiet)


def guide_grid(results: Results) -> Grid:
    """Return what the guide knows of the proxy reward, and what was made for it."""
    guide = results["guide"]
    body: list[tuple[str | Value, ...]] = [
        ("pairs of answers ordered alike (0.5 is chance)", value(guide["concordance"])),
        ("correlation of score and proxy reward", value(guide["correlation"])),
        ("answers of the base model", f"{guide['samples']} to each of {guide['prompts']} development prompts"),
    ]
    for made in guide.get("made") or ():
        told = {name: entry for name, entry in made.items() if name != "model"}
        body.append((printable(made.get("model"), 80), "; ".join(f"{name} {text}" for name, text in flattened(told))))
    if results.get("value"):
        found = results["value"]
        held_out = f"R squared of the value function, {found['held_out_prompts']} held-out prompts"
        body.append((held_out, value(found["r_squared"])))
    return Grid("The guide before any search", ("", ""), tuple(body), long_cells=True)


def reward_grid(results: Results) -> Grid:
    """Return how good the two rewards are on items that they have not seen."""
    body = tuple(
        (
            name,
            printable(one["model"], 60),
            value(one["accuracy"]),
            plain(one["items"]),
            plain(one["trained_on"]),
        )
        for name, one in results["rewards"].items()
    )
    return Grid("Rewards", ("", "Read from", "Accuracy, held out", "Held out", "Trained on"), body)


def _common_note(body: Sequence[Sequence[str | Value]]) -> str:
    """Return the note that most numbers have, which need not be marked at each of them."""
    notes = Counter(cell.note for row in body for cell in row if isinstance(cell, Value) and cell.note)
    return notes.most_common(1)[0][0] if notes else ""


def _all_rows(note: str) -> tuple[str, ...]:
    return (f"all rows: {note}",) if note else ()


def _against(row: Row) -> Value:
    return value((row.get("vs_base") or {}).get("gold"), digits=2, signed=True)


def _p(row: Row) -> str:
    p = (row.get("vs_base") or {}).get("p_holm")
    return "" if p is None else decimal(p, 3) if p >= 0.001 else "<0.001"


def _at_equal_compute(row: Row) -> Value:
    found = row.get("vs_best_of_n")
    if not found:
        return Value()
    return (
        Value(NONE, note=str(found["reason"])) if found["gold"] is None else value(found["gold"], digits=2, signed=True)
    )


def _short(number: float) -> str:
    return f"{number:.3g}"
