"""Who does the work: this process, worker processes, a cluster. The loop that gives it out is the same for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trimtab.executors.monitor import StageReport
from trimtab.executors.needs import Needs
from trimtab.stages.stage import Stage

Job = tuple[Stage, ...]
"""Stages that one process makes together: one, or several of the same kind that share their work (`Stage.bulk_key`)."""


@dataclass(frozen=True)
class Advanced:
    """A stage is so far."""

    digest: str
    done: int
    total: int
    tokens: int


@dataclass(frozen=True)
class Waiting:
    """Another process, of another run, is making the stage's artifact."""

    digest: str


@dataclass(frozen=True)
class Finished:
    """A stage ended, well or not."""

    report: StageReport


@dataclass(frozen=True)
class Died:
    """The process that had these stages is gone without a word."""

    digests: tuple[str, ...]
    why: str


Event = Advanced | Waiting | Finished | Died


class Crew(Protocol):
    """Those who do the work."""

    def room(self) -> int:
        """Return how many more jobs can be started now."""
        ...

    def fits(self, needs: Needs) -> bool:
        """Say whether a job of these needs can be started beside what runs; always true where nothing runs."""
        ...

    def start(self, job: Job, needs: Needs) -> None:
        """Begin a job; called where there is room and it fits."""
        ...

    def listen(self, hear: Callable[[Event], None]) -> None:
        """Wait until something has happened and tell it; called while at least one job runs."""
        ...

    def close(self) -> None:
        """Let everybody go; what runs is stopped."""
        ...
