"""Whole runs that are killed from outside and run again, as the command line runs them."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_imports import for_whole_runs
from killed_children import ended, fork, forked, seconds_outlived
from killed_stages import link

from trimtab.cli import run_command
from trimtab.experiment import load
from trimtab.plan import plan
from trimtab.stages.stage import Stage
from trimtab.store import Store


def measured(results: dict[str, Any]) -> dict[str, Any]:
    """Return what a run measured, without what belongs to this one run."""
    return {key: value for key, value in results.items() if key not in ("stages", "store", "experiment")}


def artifacts(store: Path) -> dict[tuple[str, str], Any]:
    """Return the sha256 of every file of every finished artifact."""
    opened = Store.open(store)
    return {
        one: {name: entry["sha256"] for name, entry in opened.manifest(*one)["files"].items()}
        for one in opened.artifacts()
    }


def finished(store: Path) -> int:
    """Return how many artifacts are there."""
    return len(list(store.glob("*/*/manifest.json")))


def as_command(arguments: list[str], out: Path, err: Path) -> Callable[[], None]:
    """Return what a fork has to do to be `trimtab` with these arguments, in a session of its own."""

    def action() -> None:
        os.setsid()
        _fork_instead_of_spawn()
        for number, path in ((1, out), (2, err)):
            with path.open("a") as file:
                os.dup2(file.fileno(), number)
        os._exit(run_command(arguments))

    return action


def run_twice_at_once(file: str, folder: str) -> None:
    """Start two runs of one file in one store at the same moment; what they print goes to `out0`, `err0` and so on."""
    for_whole_runs()
    work = Path(folder)
    command = ["run", file, "--json", "--store", str(work / "store"), "--runs", str(work / "runs")]
    both = [fork(as_command(command, work / f"out{number}", work / f"err{number}")) for number in (0, 1)]
    codes = [ended(child) for child in both]
    assert codes == [0, 0], [(work / f"err{number}").read_text() for number in (0, 1)]


def link_readings(stages: tuple[Stage, ...], whole: Path, store: Path) -> None:
    """Give a store the data and activations of another, so that a run of it begins with its first split."""
    link([one for one in stages if one.kind in ("data", "embed")], Store.open(whole), store)


@dataclass(frozen=True)
class Run:
    """A run that may be killed: `trimtab run` in a fork, in a session of its own."""

    file: Path
    folder: Path

    @property
    def store(self) -> Path:
        """Where its artifacts lie."""
        return self.folder / "store"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "log.txt"

    def begin(self, stages: tuple[Stage, ...], whole: Path) -> None:
        """Give the store what is not to be made again each time: data and activations."""
        self.folder.mkdir(exist_ok=True)
        link_readings(stages, whole, self.store)

    def act(self, workers: int) -> Callable[[], None]:
        """Return what a fork has to do."""
        places = ["--store", str(self.store), "--runs", str(self.folder / "runs")]
        return as_command(["run", str(self.file), *places, "--workers", str(workers)], self.log, self.log)

    def outcome(self) -> tuple[Any, Any]:
        """Return what it measured and the sha256 of all files."""
        results = next((self.folder / "runs").glob("*/results.json"))
        return measured(json.loads(results.read_text("utf-8"))), artifacts(self.store)


def _fork_instead_of_spawn() -> None:
    """Let worker processes begin with what this one has imported; they live and die like any other."""
    real = multiprocessing.get_context
    multiprocessing.get_context = lambda _method=None: real("fork")  # pyright: ignore[reportAttributeAccessIssue]


def kill_runs(file: str, whole: str, work: str, workers: int, kills: int) -> None:
    """Kill a run again and again at seeded moments; each time run on, to the end or to the next death; write a report.

    Every second death comes at any time from start to end, every second after a number of artifacts.
    """
    for_whole_runs()
    stages = plan(load(Path(file), [])).stages
    gc.freeze()  # as for stages: forks then share more
    moments, notes = random.Random(workers), Counter[str]()
    undisturbed = Run(Path(file), Path(work) / "undisturbed")
    undisturbed.begin(stages, Path(whole))
    began = time.monotonic()
    assert forked(undisturbed.act(workers)) == 0, undisturbed.log.read_text()
    seconds, longest = time.monotonic() - began, 0.0
    wanted = undisturbed.outcome()
    assert wanted[1] == artifacts(Path(whole))
    for number in range(4 * kills):
        if notes["kills"] == kills:
            break
        run = Run(Path(file), Path(work) / f"run{number}")
        run.begin(stages, Path(whole))
        ready = finished(run.store)
        for _ in range(moments.randint(2, 4)):
            child = fork(run.act(workers))
            if notes["kills"] % 2:
                _sleep_until(child, time.monotonic() + moments.random() * seconds * 0.8)
            else:
                enough = ready + int(moments.random() * 0.9 * (len(stages) - ready))
                while finished(run.store) < enough and not _is_over(child):
                    time.sleep(0.005)
                _sleep_until(child, time.monotonic() + moments.random() * 0.05)
            os.kill(child, signal.SIGKILL)
            if ended(child) != -signal.SIGKILL:
                break
            longest = max(longest, seconds_outlived(child))
            notes["kills"] += 1
            notes["half done"] += ready < finished(run.store) < len(stages)
            if notes["kills"] == kills:
                break
        assert forked(run.act(1)) == 0, run.log.read_text()
        assert run.outcome() == wanted
        assert not list(run.store.glob("*/*.out"))
        assert "another process" not in run.log.read_text()
        notes["finished"] += 1
    report = notes | {"seconds outlived": longest}
    (Path(work) / "report.json").write_text(json.dumps(report))


def _is_over(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _sleep_until(child: int, end: float) -> None:
    while time.monotonic() < end and not _is_over(child):
        time.sleep(0.005)
