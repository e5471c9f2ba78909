"""What every schedule is."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from trimtab.types import Truth


@runtime_checkable
class Schedule(Protocol):
    """Frozen settings; `trimtab/plan/schedules.py` says which stages they mean."""

    truth: ClassVar[Truth]
    """The most ground truth that the schedule itself reads."""
    name: ClassVar[str]
    """What it is called in the experiment file."""
    own_ceiling: ClassVar[bool]
    """Whether it changes how a model learns, so that the ceiling must learn in the same way."""
