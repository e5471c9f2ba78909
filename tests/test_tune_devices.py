"""One fit on several devices: processes under torchrun give what one process gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from rank_scripts import SETTINGS, Small, one_step, tuning
from safetensors.torch import load_file
from tiny_models import tiny_causal

from trimtab.errors import FitError
from trimtab.executors.perform import perform
from trimtab.experiment import parse
from trimtab.fit.devices import accumulation
from trimtab.fit.tune import tune
from trimtab.fit.tune_settings import Tune
from trimtab.plan import plan
from trimtab.stages.stage import order
from trimtab.stages.train import TrainTune
from trimtab.store import Store

SCRIPT = Path(__file__).with_name("rank_scripts.py")
SCRIPTS = ("shared_fit", "refused_fsdp", "sharded")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what two processes have done, script by script: they are started once, which takes longest."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in SCRIPTS:
        tiny_causal(folder / name / "model")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(SCRIPT), str(folder), *SCRIPTS], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_give_what_one_gives(ranks):
    folder = ranks / "shared_fit"
    alone = tune(tuning(folder), folder / "one" / "work", folder / "one")
    losses = [json.loads((folder / f"facts-{rank}.json").read_text()) for rank in (0, 1)]
    # 21 items in batches of 8, two epochs; the objective's statistics come from the predictions of both
    assert len(losses[0]) == 6
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], alone["losses_nats"], atol=1e-4)
    facts = json.loads((folder / "out" / "fit.json").read_text())
    assert (facts["devices"], facts["tokens"], facts["items"]) == (2, alone["tokens"], 21)
    mine, theirs = (load_file(folder / place / "student.safetensors") for place in ("one", "out"))
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, atol=1e-4, rtol=1e-4)


def test_fsdp_that_would_be_something_else_is_an_error(ranks, tmp_path):
    tiny_causal(tmp_path / "model")
    with pytest.raises(FitError, match=r"`fsdp: true` was asked for, but 1 process\(es\) on cpu run as one"):
        tune(tuning(tmp_path, replace(SETTINGS, fsdp=True)), tmp_path / "w", tmp_path / "o")
    for rank in (0, 1):
        assert "2 process(es) on cpu run as MULTI_CPU" in (ranks / "refused_fsdp" / f"refused-{rank}.txt").read_text()
    assert not (ranks / "refused_fsdp" / "out").exists()


def test_sharded_weights_are_gathered(ranks):
    folder = ranks / "sharded"
    whole = Small()
    one_step(whole, slice(None))
    gathered = load_file(folder / "gathered.safetensors")
    held = sum(json.loads((folder / f"held-{rank}.json").read_text()) for rank in (0, 1))
    assert held == 3
    assert set(gathered) == set(whole.state_dict())
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(gathered[name], value, atol=1e-6, rtol=0)
    assert not torch.equal(gathered["head.weight"], Small().head.weight)


def test_batches_that_cannot_be_shared():
    with pytest.raises(ValueError, match="multiple of micro_batch_size times devices, found 8, 2 and 3"):
        Tune(batch_size=8, micro_batch_size=2, devices=3)
    with pytest.raises(FitError, match="3 devices with micro-batches of 2 need a multiple of 6"):
        accumulation(SETTINGS, 3)
    assert accumulation(SETTINGS, 2) == 2


def train_stage(folder: Path, objective: Any = "confidence", **fit: Any) -> TrainTune:
    model = str(tiny_causal(folder / "model"))
    values = {
        "name": "devices",
        "task": {"kind": "synthetic", "supervisor": 16, "transfer": 16, "test": 16},
        "weak": [{"model": model, "fit": {"kind": "probe", "strengths": [1.0], "folds": 2}}],
        "strong": [{"model": model, "precision": "fp32", "fit": {"kind": "tune", "epochs": 1, "batch_size": 8,
                    "micro_batch_size": 4, "layers": {"top": 1}} | fit}],
        "methods": [{"name": "mine", "objective": objective}],
        "seeds": [0],
        "controls": False,
    }  # fmt: skip
    stages = plan(parse(values, folder)).stages
    return next(one for one in stages if isinstance(one, TrainTune) and type(one.objective).__name__ != "Naive")


OBJECTIVE = """
from dataclasses import dataclass
from trimtab.objectives.naive import Naive

@dataclass(frozen=True)
class Scaled(Naive):
    factor: float = 1.0

    def __call__(self, logits, labels, context):
        if self.factor < 0:
            raise RuntimeError("a factor below 0")
        return self.factor * super().__call__(logits, labels, context)
"""


def test_a_stage_starts_its_own_processes(tmp_path):
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    chosen: dict[str, Any] = {"mine.py:Scaled": {"factor": 2.0}}
    stages = [train_stage(tmp_path, chosen, devices=devices) for devices in (1, 2)]
    assert stages[0].digest == stages[1].digest
    losses, heard = [], []
    for stage, root in zip(stages, "ab", strict=True):
        store = Store.open(tmp_path / root)
        for one in order((stage,))[:-1]:
            perform(one, store)
        perform(stage, store, lambda done, total, tokens=0: heard.append((done, total)))
        assert store.manifest("train", stage.digest)["facts"]["devices"] == stage.devices
        fit = json.loads((store.folder("train", stage.digest) / "fit.json").read_text())
        losses.append(fit["losses_nats"])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
    assert losses[0][0] == pytest.approx(2 * np.log(2), abs=1e-3)
    assert heard.count((2, 2)) == 2


def test_what_goes_wrong_in_a_process_is_said(tmp_path):
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    stage = train_stage(tmp_path, {"mine.py:Scaled": {"factor": -1.0}}, devices=2)
    store = Store.open(tmp_path / "store")
    for one in order((stage,))[:-1]:
        perform(one, store)
    with pytest.raises(FitError, match=r"Scaled raised RuntimeError: a factor below 0 in mine\.py, line 11;"):
        perform(stage, store)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _ranks():
        time.sleep(0.2)
    assert _ranks() == []


def test_a_run_under_torchrun_is_refused(tmp_path, monkeypatch):
    stage = train_stage(tmp_path, devices=2)
    store = Store.open(tmp_path / "store")
    for one in order((stage,))[:-1]:
        perform(one, store)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(FitError, match="run trimtab without torchrun and set `devices: 2` in `fit`"):
        perform(stage, store)


def _ranks() -> list[int]:
    return [one.pid for one in psutil.Process().children(recursive=True) if _is_rank(one)]


def _is_rank(process: psutil.Process) -> bool:
    try:
        return "trimtab.executors.rank" in " ".join(process.cmdline())
    except psutil.Error:  # it ended while it was looked at
        return False
