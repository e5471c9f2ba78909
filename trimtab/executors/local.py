"""Run a plan on this machine: in this process, or in worker processes side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from trimtab.components import module_from_file, user_files
from trimtab.errors import StageError, TrimtabError
from trimtab.executors.monitor import Monitor, StageReport
from trimtab.executors.perform import found, perform
from trimtab.stages.stage import Stage
from trimtab.store import Store


def run_stages(stages: Sequence[Stage], store: Store, workers: int, monitor: Monitor) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first); a failure stops only what depends on it.

    Raises StageError naming the failed stages after everything else is done.
    """
    reports = {stage.digest: found(stage, store) for stage in stages if store.has(stage.kind, stage.digest)}
    todo = [stage for stage in stages if stage.digest not in reports]
    monitor.begin(len(todo), len(reports))
    run = _in_this_process if workers == 1 or len(todo) <= 1 else _in_workers
    run(todo, store, workers, monitor, reports)
    failed = [report for report in reports.values() if report.error]
    if failed:
        raise _failure(failed)
    return [reports[stage.digest] for stage in stages]


def _failure(failed: list[StageReport]) -> TrimtabError:
    """Return one error that names the first failed stage, with the exit code of its own error, and counts the rest."""
    first = next(report for report in failed if report.tried)
    others = sum(report.tried for report in failed) - 1
    blocked = len(failed) - others - 1
    more = [f"{others} more failed"] if others else []
    more += [f"{blocked} could not be tried without them"] if blocked else []
    error = StageError(
        f"stage {first.kind}/{first.digest[:12]} ({first.title}) failed: {str(first.error).rstrip('.')}"
        f"{' (' + ', '.join(more) + ')' if more else ''}. What finished is kept; run again after mending the cause"
    )
    error.exit_code = first.exit_code
    return error


def _blocked(stage: Stage, reports: dict[str, StageReport]) -> StageReport | None:
    """Return a report for a stage that cannot be tried because an input failed."""
    for needed in stage.inputs.values():
        if reports[needed.digest].error:
            error = f"not tried: it needs {needed.kind}/{needed.digest[:12]}, which failed"
            return StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=error, tried=False)
    return None


def _attempt(stage: Stage, store: Store, progress: Any, waiting: Callable[[], None]) -> StageReport:
    """Perform a stage and turn what it raises into a report with a log beside the artifact."""
    try:
        return perform(stage, store, progress, waiting)
    except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; the log keeps all of it)
        ours = isinstance(error, TrimtabError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        log = _write_log(stage, store)
        where = f" [log: {log}]" if log else ""
        code = error.exit_code if ours else 1
        return StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=text + where, exit_code=code)


def _write_log(stage: Stage, store: Store) -> Path | None:
    """Keep the traceback beside the artifact; on a full disk the message alone must do."""
    path = store.folder(stage.kind, stage.digest).with_suffix(".log")
    try:
        path.write_text(traceback.format_exc(), "utf-8")
    except OSError:
        return None
    return path


def _in_this_process(
    todo: list[Stage], store: Store, workers: int, monitor: Monitor, reports: dict[str, StageReport]
) -> None:
    for stage in todo:
        report = _blocked(stage, reports)
        if report is None:
            monitor.started(stage)

            def progress(done: int, total: int, *, tokens: int = 0, stage: Stage = stage) -> None:
                monitor.advanced(stage, done, total, tokens)

            report = _attempt(stage, store, progress, lambda stage=stage: monitor.waiting(stage))
        reports[stage.digest] = report
        monitor.finished(report)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    stage: Stage | None = None


def _in_workers(
    todo: list[Stage], store: Store, workers: int, monitor: Monitor, reports: dict[str, StageReport]
) -> None:
    """Give every ready stage to a free worker; a stage whose worker died by a signal is tried once more."""
    crew: list[_Worker] = []
    waiting, retried = list(todo), set[str]()
    try:
        while len(crew) < min(workers, len(todo)):
            crew.append(_hire(store, workers))
        while waiting or any(worker.stage for worker in crew):
            for place, worker in enumerate(crew):
                ready = next((s for s in waiting if all(n.digest in reports for n in s.inputs.values())), None)
                if worker.stage is None and ready is not None:
                    if not worker.process.is_alive():  # killed while it had nothing to do
                        crew[place] = worker = _hire(store, workers)
                    waiting.remove(ready)
                    worker.stage = ready
                    monitor.started(ready)
                    # if it dies just now, the broken pipe is met again where it is listened to
                    with suppress(BrokenPipeError):
                        worker.pipe.send(ready)
            busy = {worker.pipe: worker for worker in crew if worker.stage}
            for pipe in wait(list(busy)):
                _listen(busy[pipe], crew, store, workers, monitor, reports, waiting, retried)  # pyright: ignore
            # at the end of a turn: with nothing left to wait for, the loop must end and not listen to nobody
            _settle_blocked(waiting, reports, monitor)
    finally:
        for worker in crew:
            worker.process.terminate()
            worker.process.join()


def _settle_blocked(waiting: list[Stage], reports: dict[str, StageReport], monitor: Monitor) -> None:
    for stage in list(waiting):
        if all(needed.digest in reports for needed in stage.inputs.values()):
            report = _blocked(stage, reports)
            if report:
                waiting.remove(stage)
                reports[stage.digest] = report
                monitor.finished(report)


def _listen(
    worker: _Worker,
    crew: list[_Worker],
    store: Store,
    workers: int,
    monitor: Monitor,
    reports: dict[str, StageReport],
    waiting: list[Stage],
    retried: set[str],
) -> None:
    """Take one message of a worker, or its death."""
    stage = worker.stage
    assert stage is not None
    try:
        message = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        crew[crew.index(worker)] = _hire(store, workers)
        if stage.digest not in retried:
            retried.add(stage.digest)
            waiting.insert(0, stage)
            return
        error = f"its worker process died twice (exit code {worker.process.exitcode}); is there enough memory?"
        message = StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=error)
    if isinstance(message, StageReport):
        worker.stage = None
        reports[stage.digest] = message
        monitor.finished(message)
    elif message == "waiting":
        monitor.waiting(stage)
    else:
        monitor.advanced(stage, *message)


def _hire(store: Store, workers: int) -> _Worker:
    """Start a worker process with its share of the cores."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, store.root, user_files()), daemon=True)
    # Ctrl-C reaches every process of the terminal: a worker must not meet it before it can say that it ignores it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _thread_variables(max(1, (os.cpu_count() or 1) // workers)):
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _thread_variables(threads: int) -> Iterator[None]:
    """Set what numerical libraries read when they are first loaded, for a child that starts inside.

    What the user has set already stands.
    """
    names = [name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def _work(pipe: Connection, root: Path, files: Sequence[Path]) -> None:
    """A worker's life: perform stages from the pipe until it closes; loaded models stay between stages."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when work ends
    for path in files:
        module_from_file(path)
    store = Store.open(root)
    while True:
        try:
            stage = pipe.recv()
        except EOFError:
            return

        def progress(done: int, total: int, *, tokens: int = 0) -> None:
            pipe.send((done, total, tokens))

        pipe.send(_attempt(stage, store, progress, lambda: pipe.send("waiting")))
