"""Stages that are killed with kill -9 again and again, in forks of a process that has imported everything."""

from __future__ import annotations

import gc
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_imports import IMPORTS
from fault_study import named, small_parts, small_steps, stages_of
from killed_children import count_changes, forked, kill_after, kill_at_change, kill_in_write

from trimtab.executors.perform import perform
from trimtab.stages.stage import Stage, order
from trimtab.store import Store

WAYS = ("before a change", "at any time", "in mid-write")
"""Moments of death: before the store is changed, after some time, inside a write that is half done."""


def make_all(folder: str, root: str) -> None:
    """Make what is to be killed, and what that needs, without disturbance; in a child process."""
    import torch

    torch.set_num_threads(1)
    small_parts()
    small_steps()
    store = Store.open(Path(root))
    for stage in order(tuple(named(stages_of(Path(folder))).values())):
        perform(stage, store)


def kill_each(names: tuple[str, ...], folder: str, whole: str, work: str, kills: int, needs: str) -> None:
    """Do `kill_often` to several stages, in a process that imports everything once and computes nothing itself."""
    IMPORTS[needs]()
    small_parts()
    if needs in ("models", "guides"):
        small_steps()
    stages, wanted = named(stages_of(Path(folder))), Store.open(Path(whole))
    gc.freeze()  # a fork that collects garbage would copy all that it shares with this process
    for name in names:
        report = kill_often(stages[name], wanted, Path(work) / name, kills, random.Random(name))
        (Path(work) / f"{name}.json").write_text(json.dumps(report))


def link(stages: Iterable[Stage], wanted: Store, root: Path) -> None:
    """Let finished artifacts of another store be found in the store at `root`."""
    for stage in stages:
        target = root / stage.kind / stage.digest
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(wanted.folder(stage.kind, stage.digest), target_is_directory=True)


@dataclass(frozen=True)
class _Extent:
    """How much an undisturbed stage does."""

    changes: int
    seconds: float
    largest_bytes: int

    def arm(self, way: str, moment: float, folder: Path) -> None:
        """Have this process killed at a moment (0 its beginning, 1 its end) of the stage that it is about to do."""
        if way == "before a change":
            kill_at_change(1 + int(moment * self.changes), folder)
        elif way == "at any time":
            kill_after(moment * self.seconds * 0.9)
        else:
            kill_in_write(int(moment * self.largest_bytes))


def kill_often(stage: Stage, wanted: Store, root: Path, kills: int, moments: random.Random) -> dict[str, Any]:
    """Kill a stage `kills` times, finish it, compare it with the undisturbed one; say how it died how often.

    The ways of dying take turns. After every fifth kill the stage is finished, compared, and begun afresh.
    """
    link(stage.inputs.values(), wanted, root)
    store, place = Store.open(root), root / stage.kind / stage.digest
    extent = _extent(stage, store, files_of(wanted, stage))
    signals, ways, finished = Counter[int](), Counter[str](), 0
    _begin_afresh(place)
    for _ in range(8 * kills):
        if ways.total() == kills:
            break
        # the same way until it kills: a death by the clock may come after the end
        way, moment = WAYS[ways.total() % len(WAYS)], moments.random()

        def disturbed(way: str = way, moment: float = moment) -> None:
            extent.arm(way, moment, place.parent)
            perform(stage, store)

        code = forked(disturbed)
        if code:
            signals[code] += 1
            ways[way] += 1
        else:
            assert store.has(stage.kind, stage.digest), f"{stage.title} ended well and left nothing"
        if store.has(stage.kind, stage.digest) or ways.total() % 5 == 0:
            if code:
                assert forked(lambda: perform(stage, store) and None) == 0
            assert files_of(store, stage) == files_of(wanted, stage), stage.title
            finished += 1
            _begin_afresh(place)
    return {"signals": signals, "ways": ways, "finished": finished}


def _extent(stage: Stage, store: Store, files: dict[str, Any]) -> _Extent:
    """Do a stage undisturbed in a fork and measure it."""
    note = store.root / "extent.json"

    def measured() -> None:
        last = [0]
        began = time.monotonic()
        count_changes(store.root / stage.kind, lambda n: last.__setitem__(0, n))
        perform(stage, store)
        found = [last[0], time.monotonic() - began]
        note.write_text(json.dumps(found))

    assert forked(measured) == 0
    changes, seconds = json.loads(note.read_text())
    return _Extent(changes, seconds, max(entry["bytes"] for entry in files.values()))


def _begin_afresh(place: Path) -> None:
    for path in place.parent.glob(f"{place.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def files_of(store: Store, stage: Stage) -> dict[str, Any]:
    """Return name -> sha256 and size of an artifact's files."""
    return store.manifest(stage.kind, stage.digest)["files"]
