"""A crew on Ray: every job is a task with its needs; Ray places it, keeps its process warm and notices deaths.

Nodes see the store under the same path or URL, have the same packages, and find the user's own .py files where the
experiment file names them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.components import module_from_file, user_files
from trimtab.errors import TrimtabError
from trimtab.executors.attempt import attempt, thinned
from trimtab.executors.crew import Crew, Died, Event, Finished, Job
from trimtab.executors.drive import drive
from trimtab.executors.monitor import Monitor, StageReport, Whose, unknown
from trimtab.executors.needs import Needs
from trimtab.executors.ray_cluster import connect, import_ray
from trimtab.executors.ray_settings import RaySettings
from trimtab.stages.stage import Stage
from trimtab.store import Store

_TELL_EVERY_S = 0.5
_LOOK_EVERY_S = 2.0
_MEMORY_STEP = 1 << 28


def run_stages(
    stages: Sequence[Stage], store: Store, settings: RaySettings, monitor: Monitor, whose: Whose = unknown
) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first) on a Ray cluster; see `drive`.

    Raises UsageError where the cluster cannot be reached or has no room for a single stage.
    """

    def hire(todo: int) -> Crew:
        return RayTasks(store, settings, todo)

    return drive(stages, store, hire, monitor, whose)


@dataclass
class _Running:
    job: Job
    left: set[str]
    """Digests of the job's stages whose end was not told yet."""
    memory_bytes: int


class RayTasks:
    """Performs jobs as Ray tasks, on as many processors as the cluster has at the moment."""

    def __init__(self, store: Store, settings: RaySettings, todo: int) -> None:
        """Connect, and set up where tasks leave word.

        Raises UsageError where that cannot be done.
        """
        self._ray = import_ray()
        self._store, self._settings = store, settings
        self._cpus, self._own = connect(settings, todo)
        self._running: dict[Any, _Running] = {}
        self._looked_s = float("-inf")
        # where the driver is: whatever node is lost, word still arrives
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=True
        )
        box = self._ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Mailbox)
        self._mailbox = box.remote()
        self._mail = self._mailbox.take.remote()
        self._task = self._ray.remote(max_retries=0)(_perform)

    def room(self) -> int:
        """Return how many more stages the cluster's processors can take, nodes that came or went included."""
        self._look()
        slots = sum(int(node.get("CPU", 0)) // self._cpus for node in self._nodes)
        if not slots and not self._running:
            self.close()
            raise TrimtabError(f"no node of the Ray cluster has {self._cpus} processors for a stage; ask for fewer")
        return max(0, min(slots, self._settings.workers or slots) - len(self._running))

    def fits(self, needs: Needs) -> bool:
        """Say whether the cluster's memory holds the job beside what runs; where it lies is Ray's matter."""
        if not self._running:
            return True
        total = sum(int(node.get("memory", 0)) for node in self._nodes)
        return self._capped(needs) <= total - sum(one.memory_bytes for one in self._running.values())

    def start(self, job: Job, needs: Needs) -> None:
        """Submit the job as a task."""
        memory = self._capped(needs)
        options: dict[str, Any] = {"num_cpus": self._cpus, "memory": memory, "name": job[0].title}
        if needs.model is not None and self._settings.gpus:
            options["num_gpus"] = self._settings.gpus
        # in a box, so that it is opened by our own code, after the users' own files are loaded
        boxed = [self._ray.put(job)]
        ref = self._task.options(**options).remote(boxed, self._store.place, user_files(), self._mailbox)
        self._running[ref] = _Running(job, {stage.digest for stage in job}, memory)

    def listen(self, hear: Callable[[Event], None]) -> None:
        """Wait for word, ends and deaths, and pass them on."""
        ready, _ = self._ray.wait([self._mail, *self._running], num_returns=1, timeout=_LOOK_EVERY_S)
        if self._mail in ready:
            self._read_mail(hear)
        for ref in ready:
            if ref in self._running:
                self._end(ref, hear)

    def close(self) -> None:
        """Stop what runs; leave the cluster, and end it if it was started for this run."""
        for ref in self._running:
            self._ray.cancel(ref, force=True)
        self._running.clear()
        if self._own:
            self._ray.shutdown()
        else:
            self._ray.kill(self._mailbox)

    def _look(self) -> None:
        """Learn which nodes there are, not more often than they change."""
        if time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self._looked_s = time.monotonic()

    def _capped(self, needs: Needs) -> int:
        """Return what to ask for: never more than the largest node has, or the task would wait for ever."""
        largest = max((int(node.get("memory", 0)) for node in self._nodes), default=needs.memory_bytes)
        # in steps: Ray hands a process from task to task without asking its scheduler where they need the same
        return min(-(-needs.memory_bytes // _MEMORY_STEP) * _MEMORY_STEP, largest)

    def _read_mail(self, hear: Callable[[Event], None]) -> None:
        try:
            events = self._ray.get(self._mail)
        except self._ray.exceptions.RayActorError:
            events = []  # its process is being started again; results come with the tasks, only progress is lost
            time.sleep(_TELL_EVERY_S)
        self._mail = self._mailbox.take.remote()
        open_stages = {digest: one for one in self._running.values() for digest in one.left}
        for event in events:
            if isinstance(event, Finished):
                self._tell_end(open_stages.get(event.report.digest), event, hear)
            elif event.digest in open_stages:  # word of a process that was given up may come late
                hear(event)

    def _end(self, ref: Any, hear: Callable[[Event], None]) -> None:
        """Tell what a task that is over left to be told."""
        running = self._running.pop(ref)
        failures = self._ray.exceptions
        try:
            reports = self._ray.get(ref)
        except failures.RayTaskError as error:
            # nothing of the job was begun: the node lacks a package, a file, the store
            cause = getattr(error, "cause", None) or error
            code = cause.exit_code if isinstance(cause, TrimtabError) else 1
            text = f"the Ray task could not begin: {type(cause).__name__}: {cause}"
            reports = [_failed(stage, text, code) for stage in running.job]
        except failures.RayError as error:
            self._looked_s = float("-inf")  # a node may be gone
            hear(Died(tuple(running.left), _in_a_line(error)))
            return
        for report in reports:
            self._tell_end(running, Finished(report), hear)

    def _tell_end(self, running: _Running | None, event: Finished, hear: Callable[[Event], None]) -> None:
        """Tell once that a stage ended: it is said by mail as soon as it is known, and again by its task."""
        if running and event.report.digest in running.left:
            running.left.discard(event.report.digest)
            hear(event)


class Mailbox:
    """Where tasks leave word for the driver; an actor."""

    def __init__(self) -> None:
        import asyncio

        self._events: list[Event] = []
        self._some = asyncio.Event()

    async def put(self, event: Event) -> None:
        """Leave word."""
        self._events.append(event)
        self._some.set()

    async def take(self) -> list[Event]:
        """Wait for word and take all of it."""
        await self._some.wait()
        events, self._events = self._events, []
        self._some.clear()
        return events


def _perform(boxed: list[Any], place: str, files: Sequence[Path], mailbox: Any) -> list[StageReport]:
    """Perform a job in a process of the cluster, which keeps its model for the next one, and return how it ended."""
    ray = import_ray()
    for path in files:
        module_from_file(path)
    job: Job = ray.get(boxed[0])
    reports: list[StageReport] = []

    def tell(event: Event) -> None:
        if isinstance(event, Finished):
            reports.append(event.report)
            if len(job) == 1:  # the task's own end says it as soon
                return
        mailbox.put.remote(event)

    attempt(job, Store.open(place), thinned(tell, _TELL_EVERY_S))
    return reports


def _failed(stage: Stage, error: str, exit_code: int) -> StageReport:
    return StageReport(stage.kind, stage.digest, stage.title, 0.0, cached=False, error=error, exit_code=exit_code)


def _in_a_line(error: Exception) -> str:
    """Return the first sentence of what Ray says about a death, without its advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
