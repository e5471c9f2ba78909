"""The tables of where the numbers come from: models, splits, what was dropped, what ran, versions; and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.report.grid import Grid, flattened, plain
from trimtab.report.groups import Results, Row, main_groups, model_name, row_name
from trimtab.report.numbers import NONE, count
from trimtab.report.untrusted import passage, printable

MOST_EXAMPLES = 8
"""Examples shown of each kind."""
TEXT_CHARACTERS = 700
EXPERIMENT_CHARACTERS = 50_000
KINDS = (
    ("Student right, supervisor wrong", True, False),
    ("Student wrong, supervisor right", False, True),
    ("Both wrong, in different ways", False, False),
)


@dataclass(frozen=True)
class Example:
    """One test item as it is shown."""

    id: str
    method: str
    text: str
    cut: str
    gold: str
    weak: str
    student: str


def model_grid(results: Results) -> Grid | None:
    """Return every model as it was used: one row per setting, one column per model."""
    models: Mapping[str, Mapping[str, Any]] = results.get("models") or {}
    if not models:
        return None
    weak_first = sorted(models, key=lambda key: (not key.startswith("w"), key))
    columns = {key: dict(flattened(models[key])) for key in weak_first}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    body = tuple((name, *(column.get(name, NONE) for column in columns.values())) for name in names)
    return Grid("Models as used", ("", *map(printable, columns)), body, long_cells=True)


def split_grid(results: Results) -> Grid | None:
    """Return size and digest of the splits."""
    splits = results.get("splits") or {}
    body = tuple(
        (name, count(block["n"]) if block.get("n") is not None else NONE, plain(block.get("digest"))[:12])
        for name in ("supervisor", "transfer", "test", "kept")
        if isinstance(block := splits.get(name), Mapping)
    )
    return Grid("Splits", ("", "Items", "Digest"), body) if body else None


def seed_split_grid(results: Results) -> Grid | None:
    """Return the digests of each seed's supervisor and transfer items, where they were recorded."""
    splits = results.get("splits") or {}
    drawn: dict[str, list[str]] = {}
    names = ("supervisor", "transfer")
    for name in names:
        for entry in (splits.get(name) or {}).get("per_seed") or ():
            drawn.setdefault(printable(entry.get("seed")), []).append(plain(entry.get("digest"))[:12])
    body = tuple((seed, *digests) for seed, digests in drawn.items() if len(digests) == len(names))
    return Grid("Items of each seed", ("Seed", "Digest, supervisor", "Digest, transfer"), body) if body else None


def losses_grid(results: Results) -> Grid | None:
    """Return what was dropped and what was truncated, by reason and by model."""
    splits = results.get("splits") or {}
    body = [(f"dropped: {name}", text) for name, text in flattened(splits.get("dropped") or {})]
    for key, entry in (splits.get("truncated") or {}).items():
        name = model_name(results, key)
        if isinstance(entry, Mapping):
            body += [(f"cut for {name}: {part}", text) for part, text in flattened(entry)]
        else:
            body.append((f"cut to the longest input of {name}", plain(entry)))
    return Grid("Dropped and truncated", ("", "Items"), tuple(body)) if body else None


def version_grid(results: Results) -> Grid | None:
    """Return packages and device."""
    versions = results.get("versions") or {}
    body = list(flattened(versions))
    device = results.get("device")
    if isinstance(device, Mapping):
        body += flattened(device, "device, ")
    elif device is not None:
        body.append(("device", plain(device)))
    return Grid("Versions and device", ("", ""), tuple(body)) if body else None


def experiment_text(results: Results) -> tuple[str, str]:
    """Return the experiment file and what of it is not shown."""
    return passage(results.get("experiment") or "", EXPERIMENT_CHARACTERS)


SAID_IN_TABLE = ("no_gap", "reversed", "imprecise")
"""Codes of warnings whose text is a note below the table that they are about."""


def warning_texts(results: Results) -> list[str]:
    """Return every warning once, with the rows it is about; what the page says elsewhere is not repeated."""
    said_already = {str(note) for note in (results.get("task") or {}).get("notes") or ()}
    rows_of: dict[str, list[str]] = {}
    for warning in results.get("warnings") or ():
        text = str(warning.get("text"))
        if text not in said_already and warning.get("code") not in SAID_IN_TABLE:
            rows_of.setdefault(text, []).extend([about(results, str(warning["row"]))] if warning.get("row") else [])
    return [printable(text, 600) + (f" ({_few(rows)})" if rows else "") for text, rows in rows_of.items()]


def examples(results: Results) -> list[tuple[str, list[Example], int]]:
    """Return, for each kind of disagreement, its title, the shown items, and how many there are; an item that several
    methods have in common is shown once, with the first of them."""
    classes = (results.get("task") or {}).get("classes") or ()
    every: Sequence[Mapping[str, Any]] = results.get("examples") or ()
    found = []
    for title, student_right, weak_right in KINDS:
        its = [
            e
            for e in every
            if bool(e.get("student_right")) == student_right and bool(e.get("weak_right")) == weak_right
        ]
        its = list({str(entry.get("id")): entry for entry in reversed(its)}.values())[::-1]
        if its:
            found.append((title, [_example(results, one, classes) for one in its[:MOST_EXAMPLES]], len(its)))
    return found


def _example(results: Results, entry: Mapping[str, Any], classes: Sequence[str]) -> Example:
    text, cut = passage(entry.get("text", ""), TEXT_CHARACTERS)
    key = str(entry.get("key"))
    row = _row_of(results, key)
    gold = entry.get("gold")
    return Example(
        printable(entry.get("id", "")),
        row_name(row) if row else printable(key),
        text,
        cut,
        _class(gold, classes) if isinstance(gold, int) else plain(gold),
        _belief(entry.get("weak") or (), classes),
        _belief(entry.get("student") or (), classes),
    )


def _belief(probabilities: Sequence[float], classes: Sequence[str], most: int = 2) -> str:
    """Return the most probable classes."""
    order = sorted(range(len(probabilities)), key=lambda c: -probabilities[c])[:most]
    return ", ".join(f"{_class(c, classes)} {probabilities[c]:.2f}" for c in order) or NONE


def _class(index: int, classes: Sequence[str]) -> str:
    return printable(classes[index], 60) if 0 <= index < len(classes) else f"class {index}"


def about(results: Results, key: str) -> str:
    """Return what a warning's key means: a model, a pair's ceiling, or a row, with its pair where there are several."""
    models = results.get("models") or {}
    if key in models:
        return model_name(results, key)
    if key.removesuffix("-ceiling") in models:
        return f"strong ceiling of {model_name(results, key.removesuffix('-ceiling'))}"
    row = _row_of(results, key)
    if row is None:
        return printable(key)
    if len(main_groups(results)) < 2:
        return row_name(row)
    return f"{row_name(row)}, {model_name(results, row.get('weak'))} to {model_name(results, row.get('strong'))}"


def _row_of(results: Results, key: str) -> Row | None:
    """Return the first row of a key, with or without its metric."""
    rows: Sequence[Row] = results.get("rows") or ()
    return next((row for row in rows if str(row["key"]) in (key, f"{key}-{row.get('metric')}")), None)


def _few(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:4]) + (f" and {len(unique) - 4} more" if len(unique) > 4 else "")
