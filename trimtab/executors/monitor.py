"""What an executor tells while it works; the terminal and the tests listen in their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trimtab.stages.stage import Stage

Whose = Callable[[str], str | None]
"""What a stage is for, by digest, in the words of the experiment file; none where that is not known."""


def unknown(digest: str) -> str | None:
    """Know of no stage what it is for."""
    return None


@dataclass(frozen=True)
class StageReport:
    """How one stage of a plan went."""

    kind: str
    digest: str
    title: str
    seconds: float
    """Wall time of the run that made the artifact, also where it was found finished."""
    cached: bool
    tokens: int | None = None
    """Tokens that went through a model, padding not counted; none where no text was read."""
    peak_memory_bytes: int | None = None
    """Most memory of the process while it was made."""
    error: str | None = None
    """Why it failed, or why it was not tried; none if the artifact is there."""
    tried: bool = True
    """Whether it was begun; false where an input had failed."""
    exit_code: int = 1
    """What a failure means to the caller, as in `trimtab.errors`."""
    purpose: str | None = None
    """What a stage that failed was for, where that is known."""

    @property
    def whose(self) -> str:
        """The purpose as the end of a sentence; empty where there is none."""
        return f" for {self.purpose}" if self.purpose else ""


class Monitor(Protocol):
    """Listens to an executor; every call comes from the executor's own thread."""

    def begin(self, todo: int, cached: int) -> None:
        """Hear how many stages have to be run and how many are there."""
        ...

    def started(self, stage: Stage) -> None:
        """Hear that a stage begins."""
        ...

    def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
        """Hear how far a stage is."""
        ...

    def waiting(self, stage: Stage) -> None:
        """Hear that another process is making the same artifact."""
        ...

    def finished(self, report: StageReport) -> None:
        """Hear how a stage ended."""
        ...


class Quiet:
    """A monitor that says nothing."""

    def begin(self, todo: int, cached: int) -> None:
        """Say nothing."""

    def started(self, stage: Stage) -> None:
        """Say nothing."""

    def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
        """Say nothing."""

    def waiting(self, stage: Stage) -> None:
        """Say nothing."""

    def finished(self, report: StageReport) -> None:
        """Say nothing."""
