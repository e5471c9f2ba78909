"""Small stages for tests of store and executors: a number each, with ways to fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.executors.monitor import StageReport
from trimtab.stages.stage import Stage
from trimtab.types import Progress


@dataclass(frozen=True)
class Sum(Stage):
    """Adds its own number to those of its inputs."""

    number: int
    terms: tuple[Stage, ...] = ()

    kind: ClassVar[str] = "sum"

    @property
    def title(self) -> str:
        return f"add {self.number}"

    def before(self, work: Path) -> None:
        """Do what can go wrong."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        self.before(work)
        total = self.number + sum(int((folder / "sum.txt").read_text()) for folder in inputs.values())
        (out / "sum.txt").write_text(str(total))
        progress(1, 1)
        return {"sum": total}


@dataclass(frozen=True)
class Raising(Sum):
    """Raises an error of a kind that nobody foresaw."""

    def before(self, work: Path) -> None:
        raise AssertionError("the sky fell")


@dataclass(frozen=True)
class Killed(Sum):
    """Kills its own process the first `times` times, as a lack of memory would."""

    times: int = 1

    def before(self, work: Path) -> None:
        tries = len(list(work.iterdir()))
        if tries < self.times:
            (work / f"try{tries}").touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class KillsPeers(Sum):
    """Kills the other worker processes while they have nothing to do."""

    def before(self, work: Path) -> None:
        peers = set(workers_of(os.getppid())) - {os.getpid()}
        for peer in peers:
            os.kill(peer, signal.SIGKILL)
        time.sleep(0.2)


@dataclass(frozen=True)
class Slow(Sum):
    """Takes its time."""

    seconds: float = 0.5

    def before(self, work: Path) -> None:
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Threaded(Sum):
    """Notes the numbers of threads it has had; ends when it may take `until` threads, or after ten seconds."""

    until: int = 1

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import torch

        seen, began = [torch.get_num_threads()], time.monotonic()
        while seen[-1] < self.until and time.monotonic() < began + 10:
            progress(1, 2)
            seen.append(torch.get_num_threads())
            time.sleep(0.02)
        (out / "sum.txt").write_text(str(seen[-1]))
        return {"seen": sorted(set(seen))}


@dataclass(frozen=True)
class Elastic(Threaded):
    """The same, elastic."""

    elastic: ClassVar[bool] = True


def workers_of(parent: int) -> list[int]:
    """Return the living worker processes that a process has spawned."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = status.with_name("cmdline").read_bytes()
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent and b"spawn_main" in command and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


class Listening:
    """A monitor that remembers."""

    def __init__(self) -> None:
        self.counts = (0, 0)
        self.reports: list[StageReport] = []
        self.begun: list[str] = []
        self.waited: list[str] = []
        self.steps: list[tuple[str, int, int]] = []

    def begin(self, todo: int, cached: int) -> None:
        self.counts = (todo, cached)

    def started(self, stage: Stage) -> None:
        self.begun.append(stage.title)

    def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
        self.steps.append((stage.title, done, total))

    def waiting(self, stage: Stage) -> None:
        self.waited.append(stage.title)

    def finished(self, report: StageReport) -> None:
        self.reports.append(report)
