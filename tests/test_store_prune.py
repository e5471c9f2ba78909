"""What is removed from a store, and what stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from filelock import FileLock
from toy_stages import Listening, Sum

from trimtab.cli import run_command
from trimtab.executors.local import run_stages
from trimtab.executors.perform import perform
from trimtab.stages.stage import Stage
from trimtab.store import Store
from trimtab.store.local import LocalStore
from trimtab.store.prune import prune


def leave(store: Store, stage: Stage) -> dict[str, Path]:
    """Leave what a killed stage can leave."""
    final = store.root / stage.kind / stage.digest
    found = {ending: final.with_name(f"{stage.digest}.{ending}") for ending in ("out", "work", "log")}
    for path in (found["out"], found["work"]):
        path.mkdir(parents=True, exist_ok=True)
        (path / "part").write_text("half")
    found["log"].write_text("why")
    return found


def test_what_finished_stages_left_goes_and_what_others_go_on_from_stays(tmp_path: Path) -> None:
    store = LocalStore.at(tmp_path)
    finished, begun, busy = Sum(1), Sum(2), Sum(3)
    perform(finished, store)
    left = {stage.number: leave(store, stage) for stage in (finished, begun, busy)}
    with FileLock(tmp_path / "sum" / f"{busy.digest}.lock"):
        assert set(prune(store)) == {*left[1].values(), left[2]["out"]}
        assert all(path.exists() for path in (*left[3].values(), left[2]["work"], left[2]["log"]))
        assert set(prune(store, unfinished=True)) == {left[2]["work"], left[2]["log"]}
    assert store.has("sum", finished.digest)
    assert all(path.exists() for path in left[3].values())


def test_half_written_files_go_when_they_are_old(tmp_path: Path) -> None:
    store = LocalStore.at(tmp_path)
    new, old = tmp_path / ".store.json.1", tmp_path / ".store.json.2"
    for path in (new, old):
        path.write_text("{")
    os.utime(old, (time.time() - 7200,) * 2)
    assert list(prune(store)) == [old]
    assert new.exists() and (tmp_path / "store.json").exists()


def test_a_finished_stage_needs_neither_its_work_nor_an_old_log(tmp_path: Path) -> None:
    store, stage = LocalStore.at(tmp_path), Sum(1)
    log = leave(store, stage)["log"]
    perform(stage, store)
    assert not log.exists()
    work = leave(store, stage)["work"]
    perform(stage, store)
    assert not work.exists(), "killed between the result and the end"
    assert run_stages([stage], store, 1, Listening())[0].cached


def test_the_command(tmp_path: Path, capsys) -> None:
    left = leave(LocalStore.at(tmp_path), Sum(1))
    assert run_command(["prune", "--store", str(tmp_path), "--unfinished"]) == 0
    assert set(capsys.readouterr().out.split()) == {str(path) for path in left.values()}
    assert run_command(["prune", "--store", f"file://{tmp_path}/other"]) == 2
    assert "object store" in capsys.readouterr().err
