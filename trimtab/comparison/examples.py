"""Examples for the report: the strongest disagreements of each method with its supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.comparison.row import Row
from trimtab.comparison.tested import Tested

PER_KIND = 4


def examples(tested: Tested, rows: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """Return the first seed's strongest disagreements of each method, a few of each kind."""
    return [
        {"key": f"{row.key}-{metric}", **one}
        for row in rows
        if not row.control
        for one in tested.disagreements(row.weak_predictions[0], row.student_predictions[0], PER_KIND)
    ]
