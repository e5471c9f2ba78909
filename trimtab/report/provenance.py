"""The tables of where the numbers come from: models, splits, what was dropped, what ran, versions; and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.report.grid import Grid, flattened, plain
from trimtab.report.groups import Results, model_name, row_name
from trimtab.report.numbers import NONE, count, duration
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
        for name in ("supervisor", "transfer", "test")
        if isinstance(block := splits.get(name), Mapping)
    )
    return Grid("Splits", ("", "Items", "Digest"), body) if body else None


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


def cost_grid(results: Results) -> Grid | None:
    """Return the stages by kind: how many ran, how many were cached, how long they took."""
    stages: Sequence[Mapping[str, Any]] = results.get("stages") or ()
    if not stages:
        return None
    body = []
    for kind in dict.fromkeys(str(stage.get("kind")) for stage in stages):
        its = [stage for stage in stages if str(stage.get("kind")) == kind]
        body.append(_cost(printable(kind), its))
    body.append(_cost("all", stages))
    said = (
        ("A cached stage's seconds are those of the run that made it.",) if any(s.get("cached") for s in stages) else ()
    )
    return Grid(
        "Stages",
        ("", "Stages", "Cached", "Computed in this run", "All, when first made"),
        tuple(body),
        notes=said,
    )


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


def warning_texts(results: Results) -> list[str]:
    """Return every warning once, with the rows it is about; what the task says of itself is not repeated."""
    said_already = {str(note) for note in (results.get("task") or {}).get("notes") or ()}
    rows_of: dict[str, list[str]] = {}
    for warning in results.get("warnings") or ():
        text = str(warning.get("text"))
        if text not in said_already:
            rows_of.setdefault(text, []).extend([printable(warning["row"])] if warning.get("row") else [])
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
    row = next(
        (r for r in results.get("rows") or () if str(r["key"]) == key or str(r["key"]).startswith(f"{key}-")),
        None,
    )
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


def _cost(name: str, stages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    fresh = [stage for stage in stages if not stage.get("cached")]
    times = [sum(float(stage.get("seconds") or 0) for stage in part) for part in (fresh, stages)]
    return (name, count(len(stages)), count(len(stages) - len(fresh)), duration(times[0]), duration(times[1]))


def _few(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:4]) + (f" and {len(unique) - 4} more" if len(unique) > 4 else "")
