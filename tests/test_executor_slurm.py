"""SLURM, through submitit's local executor: the same artifacts; a preempted job is queued again and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster_stages import Steps, files_in, studied, toys
from test_objectives_third_party import HELPER, SOURCE
from tiny_study import study
from toy_stages import Killed, Listening, Slow, Sum

from trimtab.errors import StageError, UsageError
from trimtab.executors.choose import LocalSettings, executor_named, run_on
from trimtab.executors.crew import Died, Event, Finished
from trimtab.executors.needs import Needs
from trimtab.executors.ray_settings import RaySettings
from trimtab.executors.slurm import SlurmJobs
from trimtab.executors.slurm_settings import SlurmSettings
from trimtab.stages.stage import order
from trimtab.store import Store

pytest.importorskip("submitit", reason="submitit is not installed")
# submitit's local jobs let go of their processes without waiting for them
pytestmark = pytest.mark.filterwarnings(r"ignore:.*subprocess \d+ is still running:ResourceWarning")
HERE = SlurmSettings(cluster="local", poll_s=0.1, grace_s=1, minutes=2, jobs=2)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent)]))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_jobs_make_the_same_artifacts_and_a_killed_one_is_tried_again(store: Store, tmp_path: Path) -> None:
    stages, heard = toys(), Listening()
    with pytest.raises(StageError, match=r"the sky fell \[log: .*1 could not be tried"):
        run_on(HERE, stages, store, heard)
    local = Store.open(tmp_path / "local")
    with pytest.raises(StageError, match="the sky fell"):
        run_on(LocalSettings(2), stages, local, Listening())
    made = files_in(store, stages)
    assert made == files_in(local, stages)
    assert len(made) == len(stages) - 2
    assert heard.begun.count("add 3") == 2


def test_a_users_own_objective_is_loaded_in_the_jobs(store: Store, tmp_path: Path) -> None:
    values = study(tmp_path / "study", seeds=(0,), methods=[{"name": "own", "objective": "own.py:Smoothed"}])
    (tmp_path / "study" / "own.py").write_text(SOURCE)
    (tmp_path / "study" / "smoothing_helper.py").write_text(HELPER)
    stages = studied(values | {"controls": False}, tmp_path / "study")
    own = next(one for one in stages if one.kind == "train" and "Smoothed" in str(one.settings))
    run_on(LocalSettings(1), [one for one in order((own,)) if one is not own], store, Listening())
    (report,) = run_on(HERE, [own], store, Listening())
    assert report.error is None and not report.cached


def test_a_job_killed_twice_names_its_log(store: Store) -> None:
    with pytest.raises(StageError, match=r"died twice: SLURM job \d+ ended as .* \[log: (.*)\]") as caught:
        run_on(HERE, [Killed(4, times=9)], store, Listening())
    log = str(caught.value).partition("[log: ")[2].partition("]")[0]
    assert Path(log).is_file()


def tasks_of(handle: Any) -> list[psutil.Process]:
    """Return the processes that work in a local job's place of SLURM's tasks."""
    children = psutil.Process(int(handle.job_id)).children(recursive=True)
    return [one for one in children if "submitit.core._submit" in one.cmdline()]


def test_a_preempted_job_is_queued_again_and_goes_on(store: Store, tmp_path: Path) -> None:
    stage, words = Steps(1), list[Event]()
    crew = SlurmJobs(store, HERE)
    try:
        crew.start((stage,), Needs(1.0, 1, None))
        (submitted,) = crew._submitted
        work = store.root / "steps" / f"{stage.digest}.work"
        until = time.monotonic() + 60
        while not (work / "state-4.npy").is_file():
            assert time.monotonic() < until, "the job did not begin"
            time.sleep(0.05)
        (task,) = tasks_of(submitted.handle)
        task.send_signal(signal.SIGUSR2)  # what SLURM sends to a task before it takes its node away
        ends: list[Finished] = []

        def hear(event: Event) -> None:
            assert not isinstance(event, Died), event.why
            ends.append(event) if isinstance(event, Finished) else words.append(event)

        while not ends:
            crew.listen(hear)
    finally:
        crew.close()
    assert ends[0].report.error is None
    assert store.manifest(stage.kind, stage.digest)["facts"]["resumed"] >= 4
    assert "Caught signal SIGUSR2" in Path(submitted.handle.paths.stdout).read_text()
    assert words  # word came while it worked
    local = Store.open(tmp_path / "local")
    run_on(LocalSettings(1), [stage], local, Listening())
    assert files_in(store, [stage]) == files_in(local, [stage])


def test_no_job_outlives_an_interrupt(store: Store) -> None:
    class Interrupting(Listening):
        def finished(self, report: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on(HERE, order((Sum(1, (Sum(2), Slow(3, seconds=60))),)), store, Interrupting())
    until = time.monotonic() + 15
    while str(store.root) in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout:
        assert time.monotonic() < until, "a job is still there"
        time.sleep(0.2)


def test_a_machine_without_slurm_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="no SLURM on this machine"):
        run_on(SlurmSettings(), [Sum(1)], store, Listening())
    run_on(LocalSettings(), [Sum(1)], store, Listening())
    assert run_on(SlurmSettings(), [Sum(1)], store, Listening())[0].cached  # nothing to do needs no cluster


def test_executors_by_name() -> None:
    assert executor_named("local", workers=3, ray_address=None) == LocalSettings(3)
    assert executor_named("ray", ray_address="a:1", cpus=2) == RaySettings(address="a:1", cpus=2)
    assert executor_named("slurm", workers=5, partition="p", minutes=9) == SlurmSettings(
        partition="p", minutes=9, jobs=5
    )
    with pytest.raises(UsageError, match=r'no executor "rai".*Did you mean "ray"'):
        executor_named("rai")
    with pytest.raises(UsageError, match=r"--ray-address means nothing to the executor slurm, which takes --workers"):
        executor_named("slurm", ray_address="a:1")


def test_a_job_that_cannot_begin_names_its_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.executors.slurm.user_files", lambda: [Path("/nowhere/own.py")])
    with pytest.raises(StageError, match=r"could not begin \[log: (.*)\]") as caught:
        run_on(HERE, [Sum(1)], store, Listening())
    log = str(caught.value).partition("[log: ")[2].partition("]")[0]
    assert 'there is no file "/nowhere/own.py"' in Path(log).read_text()


def test_what_the_queue_is_asked_for(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    kept = tmp_path / "script.sh"
    # what the real tools say, and nothing done
    says = {"srun": "", "sbatch": f'cp "$1" {kept}; echo "Submitted batch job 12"', "scancel": "",
            "sacct": 'echo "JobID|State|NodeList"'}  # fmt: skip
    for name, line in says.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    asked = SlurmSettings(partition="long", minutes=90, cpus=4, gpus=1, additional={"account": "lab"})
    crew = SlurmJobs(store, asked)
    crew.start((Sum(1),), Needs(1.0, 8_000_000_000, "a model"))
    script = kept.read_text()
    crew.close()
    for line in ("partition=long", "time=90", "cpus-per-task=4", "gpus-per-node=1", "mem=10GB", "account=lab",
                 "job-name=trimtab-sum", "signal=USR2@90"):  # fmt: skip
        assert f"#SBATCH --{line}\n" in script
    assert crew.room() == 32
