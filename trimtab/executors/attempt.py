"""Perform a job and turn whatever it raises into reports, with a log beside the artifact."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.errors import TrimtabError
from trimtab.executors.crew import Advanced, Event, Finished, Job, Waiting
from trimtab.executors.memory import forget_peak
from trimtab.executors.monitor import StageReport
from trimtab.executors.perform import found, inputs_of, make, perform
from trimtab.models.memory import give_back_freed_memory, share_heap_with_arrow
from trimtab.stages.stage import BulkStage, Stage
from trimtab.store import Store
from trimtab.store.record import MANIFEST, damage_of

Tell = Callable[[Event], None]


def attempt(job: Job, store: Store, tell: Tell) -> None:
    """Perform a job and tell how each of its stages goes and ends."""
    share_heap_with_arrow()
    together = [stage for stage in job if isinstance(stage, BulkStage)]
    if len(together) > 1:
        _attempt_together(together, store, tell)
        give_back_freed_memory()
        return
    for stage in job:
        tell(Finished(_attempt_one(stage, store, tell)))
        give_back_freed_memory()


def thinned(tell: Tell, every_s: float) -> Tell:
    """Return a `tell` that passes on progress at most every so many seconds, and everything else at once.

    The last word on a stage's progress, done = total, always passes.
    """
    told_s = float("-inf")

    def some(event: Event) -> None:
        nonlocal told_s
        if isinstance(event, Advanced) and event.done < event.total:
            if time.monotonic() - told_s < every_s:
                return
            told_s = time.monotonic()
        tell(event)

    return some


def _attempt_one(stage: Stage, store: Store, tell: Tell) -> StageReport:
    def progress(done: int, total: int, *, tokens: int = 0) -> None:
        tell(Advanced(stage.digest, done, total, tokens))

    return _reported(stage, store, lambda: perform(stage, store, progress, lambda: tell(Waiting(stage.digest))))


def _attempt_together(job: Sequence[BulkStage], store: Store, tell: Tell) -> None:
    """Solve the stages as one problem, then write each artifact; one that cannot be solved fails alone."""
    began = time.perf_counter()
    forget_peak()
    with ExitStack() as claims:
        # one order for everybody: two runs never wait for each other
        ordered = sorted(job, key=lambda stage: stage.digest)
        needed = [
            stage
            for stage in ordered
            if claims.enter_context(
                store.claim(stage.kind, stage.digest, lambda stage=stage: tell(Waiting(stage.digest)))
            )
        ]
        for stage in ordered:
            if stage not in needed:
                tell(Finished(found(stage, store)))
        if not needed:
            return
        try:
            solutions = type(needed[0]).solve(needed, [inputs_of(stage, store) for stage in needed])
        except Exception as error:  # noqa: BLE001  (nothing of the job can be had; each of its stages says why)
            solutions = [error] * len(needed)
        share = (time.perf_counter() - began) / len(needed)
        for stage, solution in zip(needed, solutions, strict=True):
            tell(Finished(_reported(stage, store, lambda a=stage, b=solution: _kept(a, store, b, share))))


def _kept(stage: BulkStage, store: Store, solution: Any, seconds: float) -> StageReport:
    if isinstance(solution, Exception):
        raise solution
    make(stage, store, lambda space: stage.keep(solution, space.out), seconds)
    return replace(found(stage, store), cached=False)


def _reported(stage: Stage, store: Store, act: Callable[[], StageReport]) -> StageReport:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; the log keeps all of it)
        ours = isinstance(error, TrimtabError)
        text = str(error) if ours else _damaged_input(stage, store) or f"{type(error).__name__}: {error}"
        log = _write_log(stage, store)
        where = f" [log: {log}]" if log else ""
        code = error.exit_code if ours else 1
        return StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=text + where, exit_code=code)


def _damaged_input(stage: Stage, store: Store) -> str | None:
    """Say which of a stage's inputs was spoiled since it was made: a likely cause of an error that nobody foresaw."""
    found = (damage_of(folder) for folder in inputs_of(stage, store).values() if (folder / MANIFEST).is_file())
    return next((text for text in found if text), None)


def _write_log(stage: Stage, store: Store) -> Path | None:
    """Keep the traceback beside the artifact; on a full disk the message alone must do."""
    path = store.folder(stage.kind, stage.digest).with_suffix(".log")
    try:
        path.write_text(traceback.format_exc(), "utf-8")
    except OSError:
        return None
    return path
