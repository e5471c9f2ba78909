"""The loop of every executor: give out what is ready, listen, settle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trimtab.errors import StageError, TrimtabError
from trimtab.executors.board import Board
from trimtab.executors.crew import Advanced, Crew, Died, Event, Finished, Waiting
from trimtab.executors.monitor import Monitor, StageReport, Whose, unknown
from trimtab.executors.needs import Estimates
from trimtab.executors.perform import found
from trimtab.stages.stage import Stage
from trimtab.store import Store


def drive(
    stages: Sequence[Stage], store: Store, hire: Callable[[int], Crew], monitor: Monitor, whose: Whose = unknown
) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first); a failure stops only what depends on it.

    `hire` is given the number of stages to do, and called only where there are some. A stage whose process died is
    tried once more. Raises StageError naming the failed stages, and by `whose` what they were for, after everything
    else is done.
    """
    reports = {stage.digest: found(stage, store) for stage in stages if store.has(stage.kind, stage.digest)}
    todo = [stage for stage in stages if stage.digest not in reports]
    monitor.begin(len(todo), len(reports))
    if todo:
        _work_off(todo, reports, Estimates.of(store), hire(len(todo)), monitor, whose)
    failed = [report for report in reports.values() if report.error]
    if failed:
        raise _failure(failed)
    return [reports[stage.digest] for stage in stages]


def _work_off(
    todo: list[Stage],
    reports: dict[str, StageReport],
    estimates: Estimates,
    crew: Crew,
    monitor: Monitor,
    whose: Whose,
) -> None:
    board = Board(todo, reports, estimates)
    hear = _Listener(board, monitor, whose)
    try:
        while board or hear.running:
            for job in iter(lambda: _next_job(board, estimates, crew), None):
                board.take(job)
                hear.running |= {stage.digest for stage in job}
                for stage in job:
                    monitor.started(stage)
                crew.start(job, estimates.of_job(job))
            crew.listen(hear)
    finally:
        crew.close()


def _next_job(board: Board, estimates: Estimates, crew: Crew) -> tuple[Stage, ...] | None:
    room = crew.room()
    if not room:
        return None
    return next((job for job in board.jobs(room) if crew.fits(estimates.of_job(job))), None)


class _Listener:
    """Turns what a crew tells into reports."""

    def __init__(self, board: Board, monitor: Monitor, whose: Whose) -> None:
        self._board, self._monitor, self._whose = board, monitor, whose
        self.running: set[str] = set()
        self._retried: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case Advanced(digest, done, total, tokens):
                self._monitor.advanced(self._board.stage(digest), done, total, tokens)
            case Waiting(digest):
                self._monitor.waiting(self._board.stage(digest))
            case Finished(report):
                self._settle(report)
            case Died(digests, why):
                self._bury(digests, why)

    def _settle(self, report: StageReport) -> None:
        self.running.discard(report.digest)
        if report.error:
            report = replace(report, purpose=self._whose(report.digest))
        for one in (report, *self._board.settle(report)):
            self._monitor.finished(one)

    def _bury(self, digests: Sequence[str], why: str) -> None:
        """Try again what had not died before; the rest has failed."""
        lost = [digest for digest in digests if digest in self.running]
        again = [digest for digest in lost if digest not in self._retried]
        self._retried |= set(again)
        self.running -= set(again)
        self._board.put_back(again)
        for digest in lost:
            if digest not in again:
                stage = self._board.stage(digest)
                error = f"its process died twice: {why}"
                self._settle(StageReport(stage.kind, digest, stage.title, 0.0, cached=False, error=error))


def _failure(failed: list[StageReport]) -> TrimtabError:
    """Return one error that names the first failed stage, with the exit code of its own error, and counts the rest."""
    first = next(report for report in failed if report.tried)
    others = sum(report.tried for report in failed) - 1
    blocked = len(failed) - others - 1
    more = [f"{others} more failed"] if others else []
    more += [f"{blocked} could not be tried without them"] if blocked else []
    error = StageError(
        f"stage {first.kind}/{first.digest[:12]} ({first.title}) failed{first.whose}: {str(first.error).rstrip('.')}"
        f"{' (' + ', '.join(more) + ')' if more else ''}. What finished is kept; run again after mending the cause"
    )
    error.exit_code = first.exit_code
    return error
