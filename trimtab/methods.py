"""The published methods: name -> label steps and objective, with the paper they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trimtab.conflicts.conflict import Conflict
from trimtab.errors import UsageError
from trimtab.schedules.schedule import Schedule
from trimtab.types import InformedStep, LabelStep, Objective, Truth, all_truth, is_truth


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
    """How a student learns from weak labels: label steps, then a schedule, then an objective, perhaps a conflict."""

    name: str
    objective: Objective
    labels: tuple[LabelStep | InformedStep, ...] = ()
    schedule: Schedule | None = None
    conflict: Conflict | None = None

    def __post_init__(self) -> None:
        for part in self._parts:
            if not is_truth(part.truth):
                raise UsageError(
                    f'{type(part).__name__} declares truth "{part.truth}"; wanted none, supervisor, budget(n) or oracle'
                )

    @property
    def truth(self) -> Truth:
        """The most ground truth that its parts read together."""
        return all_truth([part.truth for part in self._parts])

    @property
    def _parts(self) -> tuple[Any, ...]:
        return (self.objective, *self.labels, *(one for one in (self.schedule, self.conflict) if one))
