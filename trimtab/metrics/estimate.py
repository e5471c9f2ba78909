"""A value that may not exist, with its interval, or the status and the sentence that say why there is none."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval; what is unknown is None, with a reason."""

    value: float | None
    low: float | None
    high: float | None
    status: str
    """One word: `ok`, or why there is no plain value; every quantity has words of its own."""
    reason: str | None
    """What the reader must know, in whole sentences; None where status is ok and there is nothing to add."""

    def to_json(self) -> dict[str, Any]:
        """Return value, interval, status and reason as JSON values."""
        return {one.name: getattr(self, one.name) for one in fields(Estimate)}
