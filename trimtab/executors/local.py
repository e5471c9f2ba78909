"""Run a plan on this machine: in this process, or in worker processes side by side."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.executors.crew import Crew
from trimtab.executors.drive import drive
from trimtab.executors.inline import Inline
from trimtab.executors.monitor import Monitor, StageReport, Whose, unknown
from trimtab.executors.workers import Workers
from trimtab.stages.stage import Stage
from trimtab.store import Store


def run_stages(
    stages: Sequence[Stage], store: Store, workers: int, monitor: Monitor, whose: Whose = unknown
) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first) with so many workers; see `drive`."""

    def hire(todo: int) -> Crew:
        count = min(workers, todo)
        return Inline(store) if count == 1 else Workers(store, count)

    return drive(stages, store, hire, monitor, whose)
