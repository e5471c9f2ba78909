"""How numbers are written: three decimals for scores, two for PGR, an interval or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.metrics.intervals import LEVEL
from trimtab.metrics.pgr import PRECISE
from trimtab.report.untrusted import printable

NONE = "\N{EM DASH}"

INTERVALS = {
    "crossed": "crossed bootstrap: test items and seeds are resampled together",
    "crossed_t": "bootstrap of test items, combined with a t interval over the few seeds",
    "items_only": "test items are resampled; one seed only, so the spread between seeds is not in it",
    "fieller": "Fieller interval of a ratio whose denominator is uncertain",
}
"""What the interval methods mean; a method without an entry is shown by its name."""

STATUSES = {
    "ok": f"the gap is at least {PRECISE:g} of its standard errors: "
    "the ratio and its interval can be read as they stand",
    "imprecise": f"the gap excludes 0 but is under {PRECISE:g} standard errors: "
    "read the (Fieller) interval, not the value",
    "no_gap": f"the ceiling is not shown to beat the supervisor (one-sided {50 * (1 + LEVEL):g} % test): "
    "nothing to recover, no value",
    "reversed": "the ceiling is worse than the supervisor: no value",
    "self_pair": "supervisor and student are the same model: no value",
    "undefined": "PGR is not defined for this metric or these numbers: no value",
}
"""What each PGR status means."""


@dataclass(frozen=True)
class Value:
    """A number as it is shown."""

    text: str = ""
    interval: str = ""
    """`[low, high]`, or empty where there is none."""
    note: str = ""
    """Why there is no number or no interval, or what to know about it."""


def decimal(number: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number with a fixed count of decimals; zero never carries a minus.

    >>> decimal(-0.0004), decimal(0.0312, signed=True)
    ('0.000', '+0.031')
    """
    rounded = round(float(number), digits) + 0.0
    return f"{rounded:+.{digits}f}" if signed else f"{rounded:.{digits}f}"


def value(block: Mapping[str, Any] | None, *, field: str = "mean", digits: int = 3, signed: bool = False) -> Value:
    """Return an interval block `{mean, low, high, reason}` as it is shown."""
    if block is None:
        return Value()
    number, reason = block.get(field), printable(block.get("reason") or "", 400)
    if number is None:
        return Value(NONE, note=reason or "no value, and no reason was recorded")
    low, high = block.get("low"), block.get("high")
    text = decimal(number, digits, signed=signed)
    if low is None and high is None:
        return Value(text, note=f"no interval: {reason or 'no reason was recorded'}")
    ends = [NONE if end is None else decimal(end, digits, signed=signed) for end in (low, high)]
    note = f"open interval: {reason or 'one end is not bounded'}" if None in (low, high) else reason
    return Value(text, f"[{ends[0]}, {ends[1]}]", note)


def gap_recovered(block: Mapping[str, Any] | None) -> Value:
    """Return a PGR block as it is shown: its value and interval, or its status and the reason."""
    if block is None:
        return Value()
    status = printable(block.get("status") or "undefined", 40)
    words, reason = status.replace("_", " "), printable(block.get("reason") or "", 400)
    meaning = f"{words}: {reason or STATUSES.get(status, 'no reason was recorded')}"
    if block.get("value") is None:
        return Value(words, note=meaning)
    shown = value(block, field="value", digits=2)
    return shown if status == "ok" else Value(shown.text, shown.interval, meaning)


def probability(p: float | None) -> str:
    """Return a p value with two significant places, never 0.

    >>> probability(0.0312), probability(0.00002), probability(None)
    ('0.031', '<0.001', '')
    """
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def count(number: float) -> str:
    """Return a whole number with separators, or a number of parameters or tokens that is too long in short form.

    >>> count(2000), count(134515008)
    ('2,000', '134.5 million')
    """
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if abs(number) >= size:
            return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}"


def memory(size: int) -> str:
    """Return a size in bytes in binary units.

    >>> memory(734_003_200), memory(3_221_225_472)
    ('700 MiB', '3.0 GiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def duration(seconds: float) -> str:
    """Return a wall-clock time.

    >>> duration(0.04), duration(75.2), duration(7260)
    ('0.0 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
