"""Items with choices of their own: a place is no class, and nobody is asked without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.comparison.measured import Measured
from trimtab.comparison.parts import Part, parts_of
from trimtab.comparison.row import Row

NOT_ASKED = {
    "choices": "the items have choices of their own, which a model cannot be asked about yet",
    "pairs": "the items are pairs of answers, which a model cannot be asked about yet",
}
"""By what the data says of its items: why no model was asked."""


@dataclass(frozen=True)
class MeasuredChoices(Measured):
    """The test split of a task of choices."""

    @property
    def tested_classes(self) -> frozenset[int]:
        """All places: one that is never right says nothing, since their order is random."""
        return frozenset(range(len(self.classes)))

    def parts(self) -> list[Part]:
        """Return the parts of the test split by number, without those by place."""
        return parts_of(self.slices, self.texts, self.gold, ())


def measured_kind(data: Mapping[str, Any]) -> type[Measured]:
    """Return how predictions are measured for data with these facts."""
    return MeasuredChoices if "choices" in data else Measured


def not_asked(rows: Sequence[Row], data: Mapping[str, Any]) -> dict[str, str]:
    """Return by key why there is no row of control (d), for data with these facts; empty where there may be one."""
    why = next((reason for kind, reason in NOT_ASKED.items() if kind in data), None)
    return {f"{row.weak}-{row.strong}-zero_shot": why for row in rows} if why else {}
