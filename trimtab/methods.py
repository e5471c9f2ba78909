"""The published methods: name -> label steps and objective, with the paper they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trimtab.types import LabelStep, Objective, Truth


@dataclass(frozen=True)
class Published:
    """One row of the table: components by name with the settings of the paper."""

    objective: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    paper: str = ""


METHODS: Mapping[str, Published] = MappingProxyType(
    {
        "naive": Published("naive", paper="Burns et al. 2023, section 3  https://arxiv.org/abs/2312.09390"),
        "confidence": Published("confidence", paper="Burns et al. 2023, section 4.3  https://arxiv.org/abs/2312.09390"),
    }
)


@dataclass(frozen=True)
class Method:
    """How a student learns from weak labels: label steps, then an objective."""

    name: str
    objective: Objective
    labels: tuple[LabelStep, ...] = ()

    @property
    def truth(self) -> Truth:
        """The most ground truth that any of its parts reads."""
        return most_truth([self.objective.truth, *(step.truth for step in self.labels)])


def most_truth(levels: list[Truth]) -> Truth:
    """Return the strongest of several truth levels: oracle > budget(n) > supervisor > none.

    >>> most_truth(["none", "budget(100)", "supervisor"])
    'budget(100)'
    """

    def rank(level: Truth) -> int:
        return {"none": 0, "supervisor": 1, "oracle": 3}.get(level, 2)

    return max(levels, key=rank)
