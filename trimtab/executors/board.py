"""Which job comes next: the head of the longest chain of work first, stages that share their work together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trimtab.executors.crew import Job
from trimtab.executors.monitor import StageReport
from trimtab.executors.needs import Estimates
from trimtab.stages.stage import Stage

MOST_TOGETHER = 64
"""Stages of one bulk job at most: enough to share their work, few enough that a death costs little."""


class Board:
    """The stages that are still to be done, and what they wait for."""

    def __init__(self, todo: Sequence[Stage], reports: dict[str, StageReport], estimates: Estimates) -> None:
        """Take the stages, inputs first; `reports` knows those that are finished and learns the others."""
        self._reports, self._estimates = reports, estimates
        self._stages = {stage.digest: stage for stage in todo}
        self._missing = {stage.digest: {one for one in _inputs(stage) if one in self._stages} for stage in todo}
        self._dependents: dict[str, list[str]] = {digest: [] for digest in self._stages}
        for digest, missing in self._missing.items():
            for needed in missing:
                self._dependents[needed].append(digest)
        self._chain = self._longest_chains(todo)
        self._ready = [stage for stage in todo if not self._missing[stage.digest]]

    def __bool__(self) -> bool:
        """Say whether any stage can be started now."""
        return bool(self._ready)

    def stage(self, digest: str) -> Stage:
        """Return a stage by digest."""
        return self._stages[digest]

    def jobs(self, room: int) -> Iterator[Job]:
        """Yield what could be started now, best first; bulk jobs last, when they have had time to grow."""
        single = [stage for stage in self._ready if stage.bulk_key is None]
        for stage in sorted(single, key=lambda stage: -self._chain[stage.digest]):
            yield (stage,)
        groups: dict[str, list[Stage]] = {}
        for stage in self._ready:
            if stage.bulk_key is not None:
                groups.setdefault(stage.bulk_key, []).append(stage)
        for group in sorted(groups.values(), key=lambda group: -max(self._chain[one.digest] for one in group)):
            # everybody who is free gets a share
            yield tuple(group[: min(MOST_TOGETHER, -(-len(group) // max(1, room)))])

    def take(self, job: Job) -> None:
        """Note that a job was started."""
        taken = {stage.digest for stage in job}
        self._ready = [stage for stage in self._ready if stage.digest not in taken]

    def put_back(self, digests: Sequence[str]) -> None:
        """Note that stages have to be started again."""
        self._ready = [*(self._stages[digest] for digest in digests), *self._ready]

    def settle(self, report: StageReport) -> list[StageReport]:
        """Note how a stage ended; return reports of those that can now never be tried."""
        self._reports[report.digest] = report
        blocked: list[StageReport] = []
        for digest in self._dependents[report.digest]:
            missing = self._missing[digest]
            missing.discard(report.digest)
            if not missing:
                stage = self._stages[digest]
                verdict = self._blocked(stage)
                if verdict is None:
                    self._ready.append(stage)
                else:
                    blocked += [verdict, *self.settle(verdict)]
        return blocked

    def _blocked(self, stage: Stage) -> StageReport | None:
        """Return a report for a stage that cannot be tried because an input failed."""
        for needed in stage.inputs.values():
            if self._reports[needed.digest].error:
                error = f"not tried: it needs {needed.kind}/{needed.digest[:12]}, which failed"
                return StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=error, tried=False)
        return None

    def _longest_chains(self, todo: Sequence[Stage]) -> dict[str, float]:
        """Return for each stage the seconds from its beginning to the end of the longest chain that needs it."""
        chains: dict[str, float] = {}
        for stage in reversed(todo):
            after = max((chains[one] for one in self._dependents[stage.digest]), default=0.0)
            chains[stage.digest] = self._estimates.seconds_of(stage) + after
        return chains


def _inputs(stage: Stage) -> set[str]:
    return {one.digest for one in stage.inputs.values()}
