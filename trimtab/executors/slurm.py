"""A crew on SLURM: every job is a submitit job; a preempted one is queued again and goes on from its last state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from trimtab.components import module_from_file, user_files
from trimtab.errors import UsageError
from trimtab.executors.attempt import attempt, thinned
from trimtab.executors.crew import Advanced, Crew, Died, Event, Finished, Job
from trimtab.executors.drive import drive
from trimtab.executors.monitor import Monitor, StageReport, Whose, unknown
from trimtab.executors.needs import Needs
from trimtab.executors.slurm_settings import SlurmSettings
from trimtab.executors.workers import thread_variables
from trimtab.stages.stage import Stage
from trimtab.store import Store, write_json

_TELL_EVERY_S = 1.0
_LEAST_MEMORY_GB = 2.0


def run_stages(
    stages: Sequence[Stage], store: Store, settings: SlurmSettings, monitor: Monitor, whose: Whose = unknown
) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first) as jobs of a SLURM cluster; see `drive`.

    Raises UsageError where there is no SLURM or submitit here.
    """

    def hire(todo: int) -> Crew:
        return SlurmJobs(store, settings)

    return drive(stages, store, hire, monitor, whose)


@dataclass
class _Submitted:
    job: Job
    handle: Any
    word: Path
    """File in which the job leaves word of its progress."""
    last_word: str = ""
    ended_s: float | None = None
    """When it was first seen to have ended without a result."""


class SlurmJobs:
    """Submits stages to the queue and looks how they are."""

    def __init__(self, store: Store, settings: SlurmSettings) -> None:
        """Set up the folder for job scripts and logs.

        Raises UsageError where there is no SLURM or submitit here.
        """
        self._store, self._settings = store, settings
        self._folder = (settings.folder or store.root / ".slurm").absolute()
        self._executor = _executor(self._folder, settings)
        self._submitted: list[_Submitted] = []

    def room(self) -> int:
        """Return how many more jobs may be in the queue."""
        return self._settings.jobs - len(self._submitted)

    def fits(self, needs: Needs) -> bool:
        """Say yes: the queue keeps a job until there is room for it."""
        return True

    def start(self, job: Job, needs: Needs) -> None:
        """Submit the job with its needs."""
        settings = self._settings
        memory_gb = settings.memory_gb or max(_LEAST_MEMORY_GB, needs.memory_bytes * 1.25 / 1e9)
        self._executor.update_parameters(
            name=f"trimtab-{job[0].kind}",
            timeout_min=settings.minutes,
            cpus_per_task=settings.cpus,
            gpus_per_node=settings.gpus if needs.model is not None else 0,
            mem_gb=round(memory_gb, 1),
        )
        word = self._folder / f"{uuid4().hex}.json"
        with thread_variables(settings.cpus):  # a job begins with the environment of whoever submits it
            handle = self._executor.submit(Batch.of(job, self._store.place, word))
        self._submitted.append(_Submitted(job, handle, word))

    def listen(self, hear: Callable[[Event], None]) -> None:
        """Wait until a job has moved or ended and tell it."""
        while True:
            moved = [self._look(one, hear) for one in list(self._submitted)]
            if any(moved):
                return
            time.sleep(self._settings.poll_s)

    def close(self) -> None:
        """Cancel what is in the queue or runs."""
        for one in self._submitted:
            one.handle.cancel(check=False)
            one.word.unlink(missing_ok=True)
        self._submitted.clear()

    def _look(self, one: _Submitted, hear: Callable[[Event], None]) -> bool:
        """Tell what is new of a job; say whether anything was."""
        if one.handle.done():
            if not self._is_settled(one):
                return False
            self._submitted.remove(one)
            one.word.unlink(missing_ok=True)
            self._end(one, hear)
            return True
        word = one.word.read_text("utf-8") if one.word.is_file() else ""
        if word in ("", one.last_word):
            return False
        one.last_word = word
        hear(Advanced(**json.loads(word)))
        return True

    def _is_settled(self, one: _Submitted) -> bool:
        """Say whether the result of a job that has ended is here, or will not come any more."""
        now = time.monotonic()
        one.ended_s = now if one.ended_s is None else one.ended_s
        return one.handle.paths.result_pickle.exists() or now - one.ended_s > self._settings.grace_s

    def _end(self, one: _Submitted, hear: Callable[[Event], None]) -> None:
        handle = one.handle
        if not handle.paths.result_pickle.exists():
            why = f"SLURM job {handle.job_id} ended as {handle.state} [log: {handle.paths.stderr}]"
            hear(Died(tuple(stage.digest for stage in one.job), why))
        elif handle.exception() is None:
            for report in handle.result():
                hear(Finished(report))
        else:
            # nothing of the job was begun: the node lacks a package, a file, the store
            text = f"the SLURM job {handle.job_id} could not begin [log: {handle.paths.stderr}]"
            for stage in one.job:
                hear(Finished(StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=text)))


@dataclass
class Batch:
    """What a node is handed: stages, and where to find what they need."""

    stages: bytes
    """As cloudpickle writes them: they can be read only after the users' own files are loaded."""
    files: list[Path]
    place: str
    word: Path

    @classmethod
    def of(cls, job: Job, place: str, word: Path) -> Batch:
        """Return what a node needs to perform the job."""
        import cloudpickle

        return cls(cloudpickle.dumps(job), user_files(), place, word)

    def __call__(self) -> list[StageReport]:
        """Perform the job and return how each of its stages ended."""
        import cloudpickle

        for path in self.files:
            module_from_file(path)
        job: Job = cloudpickle.loads(self.stages)
        reports: list[StageReport] = []

        def tell(event: Event) -> None:
            if isinstance(event, Finished):
                reports.append(event.report)
            elif isinstance(event, Advanced):
                write_json(self.word, vars(event))

        attempt(job, Store.open(self.place), thinned(tell, _TELL_EVERY_S))
        return reports

    def checkpoint(self) -> Any:
        """Be queued again when preempted or out of time: what the stage left in its work folder is gone on from."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _executor(folder: Path, settings: SlurmSettings) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise UsageError(
            f'submitit cannot be imported ({error}); install it with: pip install "trimtab[slurm]"'
        ) from None
    try:
        executor = submitit.AutoExecutor(
            folder=str(folder / "%j"),
            cluster=settings.cluster,
            **{f"{settings.cluster}_max_num_timeout": settings.requeues},
        )
    except RuntimeError:
        raise UsageError(
            "there is no SLURM on this machine (srun was not found); run where jobs are submitted, or leave "
            "--executor out to run here"
        ) from None
    if settings.cluster == "slurm":
        chosen = {"slurm_partition": settings.partition} if settings.partition else {}
        executor.update_parameters(slurm_additional_parameters=dict(settings.additional), **chosen)
    return executor
