"""The local executor: every stage once, inputs first; failures, dead workers and waiting."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from toy_stages import Elastic, Killed, KillsPeers, Listening, Raising, Slow, Sum, Threaded, workers_of

from trimtab.errors import StageError, StoreError, TaskError
from trimtab.executors.local import run_stages
from trimtab.executors.perform import perform
from trimtab.stages.stage import Stage, order
from trimtab.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def sum_of(store: Store, stage: Stage) -> int:
    return int((store.folder(stage.kind, stage.digest) / "sum.txt").read_text())


def diamond() -> Sum:
    base = Sum(1)
    return Sum(10, (Sum(2, (base,)), Sum(3, (base,))))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_stage_is_made_once_and_after_its_inputs(store: Store, workers: int) -> None:
    top, heard = diamond(), Listening()
    stages = order((top,))
    reports = run_stages(stages, store, workers, heard)
    assert sum_of(store, top) == 1 + 2 + 1 + 3 + 10
    assert [report.digest for report in reports] == [stage.digest for stage in stages]
    assert heard.counts == (4, 0)
    assert sorted(heard.begun) == ["add 1", "add 10", "add 2", "add 3"]
    assert heard.begun[0] == "add 1"
    assert heard.begun[-1] == "add 10"
    assert {title for title, _, _ in heard.steps} == set(heard.begun)
    again = Listening()
    assert all(report.cached for report in run_stages(stages, store, workers, again))
    assert again.counts == (0, 4)
    assert again.begun == []


def test_any_number_of_workers_gives_the_same_artifacts(tmp_path: Path) -> None:
    stages = order((diamond(),))
    files = []
    for workers in (1, 2, 3):
        store = Store.open(tmp_path / str(workers))
        run_stages(stages, store, workers, Listening())
        files.append([store.manifest(one.kind, one.digest)["files"] for one in stages])
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_stops_only_what_depends_on_it(store: Store, workers: int) -> None:
    bad, good = Raising(7), Sum(1, (Sum(2),))
    top, heard = Sum(5, (Sum(6, (bad,)), good)), Listening()
    with pytest.raises(StageError) as caught:
        run_stages(order((top,)), store, workers, heard)
    assert sum_of(store, good) == 3
    assert sorted(heard.begun) == ["add 1", "add 2", "add 7"]
    log = store.folder(bad.kind, bad.digest).with_suffix(".log")
    text = str(caught.value)
    assert text.startswith(f"stage sum/{bad.digest[:12]} (add 7) failed: AssertionError: the sky fell [log: {log}]")
    assert "2 could not be tried" in text
    assert "toy_stages.py" in log.read_text()
    assert caught.value.exit_code == 1
    assert [report.tried for report in heard.reports if report.error] == [True, False, False]
    assert not any(store.has(one.kind, one.digest) for one in (bad, top))


def test_wrong_use_inside_a_stage_keeps_its_exit_code(store: Store) -> None:
    class Choosy(Sum):
        def before(self, work: Path) -> None:
            raise TaskError("rows.csv, line 3: found no label")

    with pytest.raises(StageError, match=r"rows[.]csv, line 3") as caught:
        run_stages([Choosy(1)], store, 1, Listening())
    assert caught.value.exit_code == 2


def test_a_killed_worker_is_replaced_and_its_stage_tried_once_more(store: Store) -> None:
    unlucky = Killed(4)
    top, heard = Sum(1, (unlucky, Sum(2))), Listening()
    run_stages(order((top,)), store, 2, heard)
    assert sum_of(store, top) == 7
    assert heard.begun.count("add 4") == 2
    assert not workers_of(os.getpid())


def test_a_stage_that_kills_its_worker_twice_fails_and_others_go_on(store: Store) -> None:
    doomed, fine = Killed(4, times=9), Sum(2, (Sum(3),))
    with pytest.raises(StageError, match=r"died twice: exit code -9; is there enough memory") as caught:
        run_stages(order((doomed, fine)), store, 2, Listening())
    assert doomed.digest[:12] in str(caught.value)
    assert sum_of(store, fine) == 5
    assert not store.has(doomed.kind, doomed.digest)


def test_a_worker_killed_while_idle_is_replaced(store: Store) -> None:
    top = Sum(9, (Sum(5, (KillsPeers(1),)), Slow(6, (KillsPeers(1),))))
    run_stages(order((top,)), store, 2, Listening())
    assert sum_of(store, top) == 9 + 5 + 1 + 6 + 1


def test_no_worker_outlives_an_interrupt(store: Store) -> None:
    class Interrupting(Listening):
        def advanced(self, stage: Stage, done: int, total: int, tokens: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stages(order((Sum(1, (Sum(2), Slow(3, seconds=30))),)), store, 2, Interrupting())
    assert not workers_of(os.getpid())


def test_workers_share_the_cores_and_the_users_own_setting_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab.executors.workers import thread_variables

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with thread_variables(3):
        assert [os.environ[name] for name in names] == ["1", "3", "3"]
    assert [os.environ.get(name) for name in names] == ["1", None, None]


def test_an_elastic_stage_takes_the_cores_of_idle_workers_and_gives_them_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = os.cpu_count() or 1
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    own = max(1, cores // 2)
    stretched = Elastic(1, until=cores)
    # one worker begins with its share beside a slow stage; the same worker has its share again in what follows
    after = Threaded(2, (stretched, Slow(3, seconds=1.0)))
    run_stages(order((after,)), store, 2, Listening())
    assert store.manifest("sum", stretched.digest)["facts"]["seen"] == sorted({own, cores})
    assert store.manifest("sum", after.digest)["facts"]["seen"] == [own]


def test_a_number_of_threads_that_the_user_has_set_stands(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stage = Elastic(1, (Slow(2, seconds=0.1), Slow(3, seconds=0.1)))
    run_stages(order((stage,)), store, 2, Listening())
    assert store.manifest("sum", stage.digest)["facts"]["seen"] == [1]


def test_one_computes_and_the_other_waits_and_uses_it(store: Store) -> None:
    slow, first, second = Slow(1, seconds=0.4), Listening(), Listening()
    threads = [threading.Thread(target=run_stages, args=([slow], store, 1, heard)) for heard in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([first.reports[0].cached, second.reports[0].cached]) == [False, True]
    assert sorted([first.waited, second.waited]) == [[], ["add 1"]]


def test_a_newer_or_damaged_artifact_is_an_error_before_anything_is_run(store: Store) -> None:
    base, top = Sum(1), Sum(2, (Sum(1),))
    perform(base, store)
    manifest = store.folder(base.kind, base.digest) / "manifest.json"
    whole = manifest.read_text()
    for text, message in ((whole.replace('"schema": 1', '"schema": 9'), "schema 9.*upgrade"), (whole[:50], "damaged")):
        manifest.write_text(text)
        with pytest.raises(StoreError, match=message):
            run_stages(order((top,)), store, 1, Listening())
    assert not store.has(top.kind, top.digest)


def test_the_manifest_says_how_it_was_made(store: Store) -> None:
    base = Sum(1)
    perform(base, store)
    top = Sum(2, (base,))
    report = perform(top, store)
    found = store.manifest(top.kind, top.digest)
    assert found["inputs"] == {"terms.0": {"kind": "sum", "digest": base.digest}}
    assert found["settings"] == {"number": 2}
    assert found["facts"] == {"sum": 3}
    assert found["title"] == "add 2"
    assert found["seconds"] == round(report.seconds, 3) or report.seconds >= found["seconds"]
    assert {"torch", "transformers", "trimtab"} <= set(found["packages"])
    assert found["machine"]["peak_memory_bytes"] > 1e6
    assert perform(top, store).cached
