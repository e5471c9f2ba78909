"""What every conflict is."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from trimtab.types import Truth


@runtime_checkable
class Conflict(Protocol):
    """Frozen settings; `trimtab/plan/conflicts.py` says which stages they mean."""

    name: ClassVar[str]
    """What it is called in the experiment file."""

    @property
    def truth(self) -> Truth:
        """The most ground truth of the goal that is measured that the conflict reads."""
        ...

    @property
    def absent(self) -> bool:
        """Whether the settings weigh it 0, so that the student is the one without it."""
        ...
