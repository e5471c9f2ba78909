"""A crew of worker processes on this machine: each keeps its model and its share of the cores.

A worker whose stage is elastic also takes the cores of those that have nothing to do: else a study that ends with one
long stage would be slower with several workers than with one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from trimtab.components import module_from_file, user_files
from trimtab.executors.attempt import attempt
from trimtab.executors.crew import Advanced, Died, Event, Finished, Job
from trimtab.executors.memory import available_bytes, die_with_parent, resident_bytes
from trimtab.executors.needs import Needs
from trimtab.store import Store

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    threads: Any
    """How many threads an elastic stage may take now: a number in shared memory; 0 leaves them as they are."""
    left: set[str]
    """Digests of the job's stages that are not finished."""
    needs: Needs | None = None
    model: str | None = None
    """Which model it loaded last."""


class Workers:
    """Processes that perform jobs side by side and live as long as the run."""

    def __init__(self, store: Store, count: int) -> None:
        """Start the processes."""
        self._store, self._count = store, count
        self._crew = [self._hire() for _ in range(count)]

    def room(self) -> int:
        """Return how many workers have nothing to do."""
        return sum(not worker.left for worker in self._crew)

    def fits(self, needs: Needs) -> bool:
        """Say whether the job's memory is there beside what the others may still take."""
        busy = [worker for worker in self._crew if worker.left]
        if not busy:
            return True
        promised = sum(_still_to_come(worker) for worker in busy)
        return needs.memory_bytes - _resident(self._choose(needs)) <= available_bytes() - promised

    def start(self, job: Job, needs: Needs) -> None:
        """Give the job to a free worker, one that holds its model if there is one."""
        worker = self._choose(needs)
        if not worker.process.is_alive():  # killed while it had nothing to do
            place = self._crew.index(worker)
            self._crew[place] = worker = self._hire()
        worker.left, worker.needs = {stage.digest for stage in job}, needs
        worker.model = needs.model or worker.model
        self._share_cores()
        # if it dies just now, the broken pipe is met again where it is listened to
        with suppress(BrokenPipeError):
            worker.pipe.send(job)

    def listen(self, hear: Callable[[Event], None]) -> None:
        """Wait for messages or deaths and pass them on."""
        busy = {worker.pipe: worker for worker in self._crew if worker.left}
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # pyright: ignore[reportArgumentType]
            try:
                event = worker.pipe.recv()
            except (EOFError, OSError):
                hear(self._bury(worker))
                continue
            if isinstance(event, Finished):
                worker.left.discard(event.report.digest)
                self._share_cores()
            hear(event)

    def close(self) -> None:
        """Stop all workers."""
        for worker in self._crew:
            worker.process.terminate()
        for worker in self._crew:
            worker.process.join()

    def _share_cores(self) -> None:
        """Tell every busy worker how many cores fall to it; a number of threads that the user has set stands."""
        busy = [worker for worker in self._crew if worker.left]
        if not any(name in os.environ for name in _THREADS):
            for worker in busy:
                worker.threads.value = max(1, (os.cpu_count() or 1) // len(busy))

    def _choose(self, needs: Needs) -> _Worker:
        free = [worker for worker in self._crew if not worker.left]
        return next((worker for worker in free if needs.model and worker.model == needs.model), free[0])

    def _bury(self, worker: _Worker) -> Died:
        """Replace a dead worker and tell what it left undone."""
        worker.process.join()
        self._crew[self._crew.index(worker)] = self._hire()
        self._share_cores()
        code = worker.process.exitcode
        why = f"exit code {code}"
        if code == -signal.SIGKILL:
            peak = worker.needs.memory_bytes if worker.needs else 0
            why += f"; is there enough memory? about {peak / 1e9:.1f} GB were expected to be needed"
        if code == 1:
            why += '; a script that asks for workers must do so under `if __name__ == "__main__":`'
        return Died(tuple(worker.left), why)

    def _hire(self) -> _Worker:
        """Start a worker process with its share of the cores."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = context.Value("i", 0)
        process = context.Process(
            target=_work, args=(theirs, self._store.place, user_files(), os.getpid(), threads), daemon=True
        )
        # started by itself it would let Ctrl-C through to the worker that comes after it
        resource_tracker.ensure_running()
        # Ctrl-C reaches every process of the terminal: a worker must not meet it before it can say that it ignores it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with thread_variables(max(1, (os.cpu_count() or 1) // self._count)):
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process, ours, threads, set())


def _resident(worker: _Worker) -> int:
    return resident_bytes(worker.process.pid) if worker.process.pid else 0


def _still_to_come(worker: _Worker) -> int:
    """Return how much a busy worker may grow beyond what it holds, in bytes."""
    return max(0, worker.needs.memory_bytes - _resident(worker)) if worker.needs else 0


@contextmanager
def thread_variables(threads: int) -> Iterator[None]:
    """Set what numerical libraries read when they are first loaded, for a child that starts inside.

    What the user has set already stands.
    """
    names = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def _work(pipe: Connection, place: str, files: Sequence[Path], parent: int, threads: Any) -> None:
    """A worker's life: perform jobs from the pipe until it closes; a loaded model stays between them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when work ends
    die_with_parent(parent)
    for path in files:
        module_from_file(path)
    store = Store.open(place)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        with elastic_threads(job, threads, pipe.send) as tell:
            attempt(job, store, tell)


@contextmanager
def elastic_threads(job: Job, threads: Any, tell: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """Give a `tell` that, with each progress of an elastic stage, lets torch take `threads.value` threads.

    Afterwards it has as many as before: other stages have the same bits however busy the other workers are.
    """
    if not all(stage.elastic for stage in job):
        yield tell
        return
    import torch

    before = torch.get_num_threads()

    def stretched(event: Event) -> None:
        wanted = threads.value
        if isinstance(event, Advanced) and wanted and wanted != torch.get_num_threads():
            torch.set_num_threads(wanted)
        tell(event)

    try:
        yield stretched
    finally:
        torch.set_num_threads(before)
