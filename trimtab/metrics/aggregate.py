"""The median PGR over pairs or tasks, together with how many rows had none.

    median over rows with status ok or imprecise; its interval: percentiles of the median over bootstrap draws

The draws keep what the rows share: on one test split every row sees the same items and seeds in a draw. A
median says nothing about rows without a gap, so their number always stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.metrics.intervals import percentiles
from trimtab.metrics.pgr import PGR


@dataclass(frozen=True)
class Aggregate:
    """A median PGR with its interval, or why there is none."""

    value: float | None
    low: float | None
    high: float | None
    n_ok: int
    n_imprecise: int
    n_no_gap: int
    n_other: int
    """Rows that are reversed, self pairs or undefined."""
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dict(vars(self))


def median_pgr(rows: Sequence[PGR]) -> Aggregate:
    """Return the median over the rows that have a PGR."""
    statuses = [row.status for row in rows]
    n_ok, n_imprecise, n_no_gap = (statuses.count(status) for status in ("ok", "imprecise", "no_gap"))
    counts = (n_ok, n_imprecise, n_no_gap, len(rows) - n_ok - n_imprecise - n_no_gap)
    used = [row for row in rows if row.value is not None and row.draws is not None]
    if not used:
        return Aggregate(None, None, None, *counts, "No row has a PGR.")
    value = float(np.median([row.value for row in used if row.value is not None]))
    without = _no_interval(used)
    if without:
        return Aggregate(value, None, None, *counts, without)
    draws = np.stack([row.draws for row in used if row.draws is not None], 1)
    low, high = percentiles(np.median(draws, axis=1))  # a draw in which one row is nan is nan, and left out
    return Aggregate(value, low, high, *counts, _note(used))


def _no_interval(used: list[PGR]) -> str | None:
    if any(row.gap.method == "crossed_t" for row in used):
        return "Fewer than 5 seeds: the median has no interval."
    if any(row.status == "imprecise" for row in used):
        return "A row's gap is imprecise, so draws of its ratio have no useful percentiles: no interval."
    if len({len(row.draws) for row in used if row.draws is not None}) > 1:
        return "The rows were resampled with different numbers of draws: no interval."
    return None


def _note(used: list[PGR]) -> str | None:
    if any(row.gap.method == "items_only" for row in used):
        return "One seed: the interval is over test items only."
    return None
