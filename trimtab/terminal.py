"""How a run looks in a terminal: one live line there, plain dated lines anywhere else; all of it on stderr."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field

from trimtab.executors.monitor import StageReport
from trimtab.stages.stage import Stage

_SECONDS_BETWEEN_LINES = 5.0
_WORTH_A_LINE_S = 1.0


def duration(seconds: float) -> str:
    """Return a time span in the two largest units.

    >>> duration(7.26), duration(75), duration(3700)
    ('7.3 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


@dataclass
class Speed:
    """Rate and time left of one stage, from when it began in this process."""

    began: float
    first_done: int | None = None
    first_tokens: int = 0

    def line(self, done: int, total: int, tokens: int, now: float) -> str:
        """Return 'done/total, tokens per second, time left'; work found from an earlier try counts for no speed."""
        if self.first_done is None:
            self.first_done, self.first_tokens, self.began = done, tokens, now
        elapsed, fresh = now - self.began, done - self.first_done
        text = f"{done:,}/{total:,}"
        if elapsed > 0 and tokens > self.first_tokens:
            text += f", {(tokens - self.first_tokens) / elapsed:,.0f} tokens/s"
        if elapsed > 0 and fresh > 0 and done < total:
            text += f", {duration((total - done) * elapsed / fresh)} left"
        return text


@dataclass
class PlainLines:
    """A monitor that prints a line when something begins, every few seconds, and when something long ends."""

    total: int = 0
    ended: int = 0
    speeds: dict[str, Speed] = field(default_factory=dict)
    spoken: dict[str, float] = field(default_factory=dict)

    def begin(self, todo: int, cached: int) -> None:
        """Say how much there is to do."""
        self.total = todo
        self._say(f"{todo + cached} stages: {cached} cached, {todo} to run")

    def started(self, stage: Stage) -> None:
        """Remember when the stage began."""
        now = time.monotonic()
        self.speeds[stage.digest] = Speed(now)
        self.spoken[stage.digest] = now

    def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
        """Say how far the stage is, every few seconds."""
        now = time.monotonic()
        text = self.speeds[stage.digest].line(done, total, tokens, now)
        if now - self.spoken[stage.digest] >= _SECONDS_BETWEEN_LINES:
            self.spoken[stage.digest] = now
            self._say(f"[{self.ended + 1}/{self.total}] {stage.title}: {text}")

    def waiting(self, stage: Stage) -> None:
        """Say who is waited for."""
        self._say(f"{stage.title}: another process is making {stage.kind}/{stage.digest[:12]}; waiting for it")

    def finished(self, report: StageReport) -> None:
        """Say how the stage ended if it took long or failed."""
        self.ended += 1
        if report.error and report.tried:
            self._say(f"[{self.ended}/{self.total}] {report.title} failed{report.whose}: {report.error}")
        elif report.error is None and (report.seconds >= _WORTH_A_LINE_S or self.ended == self.total):
            self._say(f"[{self.ended}/{self.total}] {report.title}: done in {duration(report.seconds)}")

    def stop(self) -> None:
        """End the display, whatever happened."""

    def _say(self, text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except BrokenPipeError:
            # whoever read stderr went away; the run is for its files and goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class LiveLine(PlainLines):
    """A monitor that redraws one line on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._status = Console(stderr=True).status("", spinner="dots")

    def begin(self, todo: int, cached: int) -> None:
        """Say how much there is to do and start the line."""
        super().begin(todo, cached)
        if todo:
            self._status.start()

    def started(self, stage: Stage) -> None:
        """Name the stage on the line."""
        super().started(stage)
        self._draw(stage.title)

    def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
        """Redraw the line with rate and time left."""
        text = self.speeds[stage.digest].line(done, total, tokens, time.monotonic())
        self._draw(f"{stage.title}: {text}")

    def finished(self, report: StageReport) -> None:
        """Leave a line for what took long or failed; end the live one after the last stage."""
        super().finished(report)
        if self.ended == self.total:
            self._status.stop()

    def stop(self) -> None:
        """Take the live line away, whatever happened."""
        self._status.stop()

    def _draw(self, text: str) -> None:
        from rich.markup import escape

        self._status.update(escape(f"[{self.ended + 1}/{self.total}] {text}"))

    def _say(self, text: str) -> None:
        from rich.markup import escape

        self._status.console.print(escape(text), highlight=False)


def monitor() -> PlainLines:
    """Return the monitor that fits stderr: a live line on a terminal, plain lines otherwise."""
    return LiveLine() if sys.stderr.isatty() else PlainLines()
