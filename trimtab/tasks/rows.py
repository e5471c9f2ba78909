"""Rows that know where they stand, so that a message about a value can say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.errors import TaskError, did_you_mean


@dataclass(frozen=True)
class Row:
    """The values of one item by column."""

    place: str
    """Where it stands, for messages: "line 3" (physical, from 1) or "row 3"."""
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows and what messages call the place they come from."""

    source: str
    columns: tuple[str, ...]
    rows: Sequence[Row]

    def require(self, column: str, setting: str) -> None:
        """Raise TaskError where there is no such column; `setting` is the name of the setting that asks for
        it."""
        if column not in self.columns:
            raise TaskError(
                f'{self.source} has no column "{column}", which the setting "{setting}" asks for.'
                f"{did_you_mean(column, self.columns)}"
            )
