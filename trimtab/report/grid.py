"""A table on its way to the page: plain cells, numbers with intervals, and the notes below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.report.numbers import Value, count, decimal
from trimtab.report.untrusted import printable


@dataclass(frozen=True)
class Grid:
    """Rows under a head; the first cell of a row is its name."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Value, ...], ...]
    kinds: tuple[str, ...] = ()
    """Kind of each row (weak, method, ceiling, control), where the table shows it."""
    notes: tuple[str, ...] = ()
    quiet: str = ""
    """A note that holds for every row and so needs no mark."""
    subtitle: str = ""
    long_cells: bool = False
    """Whether cells hold text that must wrap."""


def flattened(block: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield name and text of every entry, nested names joined by a comma."""
    for name, entry in block.items():
        words = f"{prefix}{printable(name).replace('_', ' ')}"
        if isinstance(entry, Mapping):
            yield from flattened(entry, f"{words}, ")
        else:
            yield words, plain(entry)


def plain(entry: Any, limit: int = 300) -> str:
    """Return any value of results.json as one line of text.

    >>> plain([0.01, 0.1]), plain(None), plain(2000)
    ('0.01, 0.1', '—', '2,000')
    """
    if entry is None or entry == []:
        return "\N{EM DASH}"
    if isinstance(entry, bool):
        return "yes" if entry else "no"
    if isinstance(entry, int):
        return count(entry)
    if isinstance(entry, float):
        return f"{entry:g}"
    if isinstance(entry, list | tuple):
        return printable(", ".join(plain(one) for one in entry), limit)
    return printable(entry, limit)


def optional_decimal(number: float | None, digits: int = 3) -> str:
    """Return a decimal, or a dash."""
    return "\N{EM DASH}" if number is None else decimal(number, digits)
