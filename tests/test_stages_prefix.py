"""The prefix stage: one for all fits that share it, mended after damage, within its budget, resumed after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_children import run_child
from test_models_prefix import saved

from trimtab.digest import file_digest
from trimtab.errors import ModelError, StoreError
from trimtab.executors.perform import perform
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.stages import prefix as prefix_stage
from trimtab.stages.prefix import Prefix, open_prefix
from trimtab.stages.stage import order
from trimtab.stages.train import TrainTune
from trimtab.store import Store


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    prefix_stage._VERIFIED.clear()


def experiment(model: str, **fit: Any) -> Any:
    return parse(
        {
            "name": "layers",
            "task": {"kind": "synthetic", "supervisor": 20, "transfer": 20, "test": 20},
            "weak": [{"model": model, "fit": {"kind": "probe", "strengths": [1.0], "folds": 2}}],
            "strong": [{"model": model, "precision": "fp32", "fit": {"kind": "tune", "layers": {"top": 2}, "epochs": 1,
                        "batch_size": 8, "micro_batch_size": 4} | fit}],
            "methods": ["naive", {"confidence": {"alpha": 0.5}}],
            "seeds": [0, 1],
            "controls": False,
        },
        Path(),
    )  # fmt: skip


def prefixes(one: Any) -> list[Prefix]:
    return [stage for stage in plan(one).stages if isinstance(stage, Prefix)]


def test_one_prefix_serves_all_methods_seeds_and_ceilings(tmp_path):
    model = saved(tmp_path / "m", "llama")
    assert len(prefixes(experiment(model))) == 1
    assert prefixes(experiment(model, prefix_cache=False)) == []
    # pooling and the room it may take do not make another one; the cut does
    (one,) = prefixes(experiment(model))
    (other,) = prefixes(experiment(model, prefix_budget_gb=1.0, method="full", learning_rate=1e-5))
    (deeper,) = prefixes(experiment(model, layers={"top": 3}))
    assert one.digest == other.digest != deeper.digest


def test_what_decides_nothing_is_not_part_of_the_identity(tmp_path):
    model = saved(tmp_path / "m", "llama")

    def digest(**fit: Any) -> str:
        return next(one for one in plan(experiment(model, **fit)).stages if isinstance(one, TrainTune)).digest

    plain = digest()
    assert digest(report_to=["tensorboard"]) == plain
    assert digest(devices=2) == plain
    assert digest(save_every=7, prefix_budget_gb=3.0) == plain
    assert digest(rank=4) != plain
    assert digest(devices=2, dropout=0.1) != digest(dropout=0.1)
    assert digest(prefix_cache=False) != plain


@pytest.fixture
def made(tmp_path) -> tuple[Prefix, Store, Path, Path]:
    """A prefix in many small shards, its store and its folders."""
    (stage,) = prefixes(experiment(saved(tmp_path / "m", "llama")))
    store = Store.open(tmp_path / "store")
    for one in order((stage,))[:-1]:
        perform(one, store)
    perform(stage, store)
    return stage, store, store.folder("prefix", stage.digest), store.folder("data", stage.data.digest)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("trimtab.fit.lower_layers.shards_of", _small)


def _small(lengths: list[int], row_bytes: int) -> list[list[int]]:
    from trimtab.models.prefix_states import shards_of

    return shards_of(lengths, row_bytes, 4000)


@pytest.mark.usefixtures("small_shards")
def test_damage_is_found_by_checksum_and_mended(made):
    stage, store, folder, data = made
    files = sorted(file.name for file in folder.glob("*.safetensors"))
    assert len(files) > 5
    before = {name: file_digest(folder / name) for name in files}
    assert store.manifest("prefix", stage.digest)["files"][files[1]]["sha256"] == before[files[1]]
    assert open_prefix(folder, data, stage.spec).recomputed == ()
    content = bytearray((folder / files[2]).read_bytes())
    content[-5] ^= 1
    (folder / files[2]).write_bytes(content)
    (folder / files[3]).unlink()
    (folder / files[0]).write_bytes(b"nonsense")
    found = open_prefix(folder, data, stage.spec)
    assert set(found.recomputed) == {files[0], files[2], files[3]}
    assert {name: file_digest(folder / name) for name in files} == before
    assert len(found.states) == 60
    assert open_prefix(folder, data, stage.spec).recomputed == ()


@pytest.mark.usefixtures("small_shards")
def test_a_study_goes_on_after_damage_and_says_so(made, tmp_path):
    stage, store, folder, _ = made
    train = next(
        one for one in plan(experiment(str(tmp_path / "m"))).stages if isinstance(one, TrainTune) and one.prefix
    )
    for needed in order((train,))[:-1]:
        perform(needed, store)
    shard = folder / "states-00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x7f")
    perform(train, store)
    facts = store.manifest("train", train.digest)["facts"]
    assert facts["recomputed_files"] == [shard.name]
    assert stage.digest in {one.digest for one in train.inputs.values()}


def test_the_budget_is_kept(tmp_path, monkeypatch):
    (stage,) = prefixes(experiment(saved(tmp_path / "m", "llama"), prefix_budget_gb=1e-6))
    store = Store.open(tmp_path / "store")
    for one in order((stage,))[:-1]:
        perform(one, store)
    with pytest.raises(StoreError, match=r"would take [\d,]+ bytes, and they may take 1,000 \(prefix_budget_gb\)") as e:
        perform(stage, store)
    for way_out in ("fewer texts", "max_tokens", "bf16", "fewer models", "larger `prefix_budget_gb`", "prefix_cache"):
        assert way_out in str(e.value)
    assert not list(store.root.glob("prefix/*/states*")) and not list(store.root.glob("prefix/*.work/states*"))
    plain = replace(stage, budget_gb=None)
    monkeypatch.setattr(prefix_stage, "DEFAULT_BUDGET_BYTES", 2_000)
    with pytest.raises(StoreError, match=r"may take 2,000 \(the default\)"):
        perform(plain, store)
    monkeypatch.setattr(prefix_stage.shutil, "disk_usage", lambda _: type("", (), {"free": 1_000})())
    with pytest.raises(StoreError, match=r"may take 500 \(half of the free disk\)"):
        perform(plain, store)
    with pytest.raises(StoreError, match=r"may take 1,000 \(all of the free disk\)"):
        perform(replace(stage, budget_gb=3.0), store)


def test_a_model_that_cannot_be_split_writes_nothing(tmp_path, monkeypatch):
    (stage,) = prefixes(experiment(saved(tmp_path / "m", "llama")))
    store = Store.open(tmp_path / "store")
    for one in order((stage,))[:-1]:
        perform(one, store)

    def refuse(*_: Any) -> float:
        raise ModelError("cannot be trained on stored states")

    monkeypatch.setattr("trimtab.fit.lower_layers.check_cut", refuse)
    with pytest.raises(ModelError, match="cannot be trained"):
        perform(stage, store)
    assert not list(store.root.glob("prefix/*/states*")) and not list(store.root.glob("prefix/*.work/states*"))


def make_prefix(model: str, root: str, kill_at: int) -> None:
    """Make the artifact in a child; with `kill_at` it is killed when that shard is about to get its name."""
    torch.set_num_threads(1)
    import trimtab.fit.lower_layers as lower

    lower.shards_of = _small
    real, written = Path.replace, []

    def replace_and_die(self: Path, target: Path) -> Path:
        if target.name.startswith("states-"):
            written.append(target)
            if len(written) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    Path.replace = replace_and_die
    (stage,) = prefixes(experiment(model))
    store = Store.open(Path(root))
    for one in order((stage,)):
        perform(one, store)


def test_killed_and_resumed_gives_the_same_bytes(tmp_path):
    model = saved(tmp_path / "m", "llama")
    assert run_child(make_prefix, model, str(tmp_path / "a"), 0) == 0
    assert run_child(make_prefix, model, str(tmp_path / "b"), 3) == -signal.SIGKILL
    (work,) = (tmp_path / "b" / "prefix").glob("*.work")
    whole = {file.name: file.stat().st_mtime_ns for file in work.glob("states-*.safetensors")}
    assert len(whole) == 2
    assert list(work.glob("*.tmp"))
    assert run_child(make_prefix, model, str(tmp_path / "b"), 0) == 0
    (stage,) = prefixes(experiment(model))
    first, second = (Store.open(tmp_path / one).folder("prefix", stage.digest) for one in "ab")
    for file in first.glob("*.safetensors"):
        assert file_digest(file) == file_digest(second / file.name), file.name
    # what was whole before the kill was not computed again
    assert {name: (second / name).stat().st_mtime_ns for name in whole} == whole
    assert not list(second.glob("*.tmp")) and not work.exists()


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr("trimtab.fit.lower_layers.shards_of", _small)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "trimtab-test", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (stage,) = prefixes(experiment(saved(tmp_path / "m", "llama"), prefix_budget_gb=1.0))
        store = Store.open(disk / "store")
        for one in order((stage,))[:-1]:
            perform(one, store)
        used = os.statvfs(disk)
        taken = (used.f_blocks - used.f_bfree) * used.f_frsize
        subprocess.run(["mount", "-o", f"remount,size={taken + 40_000}", str(disk)], check=True)
        # the room is looked at before; here it vanishes in between
        monkeypatch.setattr(prefix_stage.shutil, "disk_usage", lambda _: type("", (), {"free": 10**9})())
        with pytest.raises(StoreError, match="the disk is full"):
            perform(stage, store)
        (work,) = (store.root / "prefix").glob("*.work")
        assert list(work.glob("states-*.safetensors")) and not list(work.glob("*.tmp"))
        assert not store.has("prefix", stage.digest)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        began = time.time_ns()
        perform(stage, store)
        files = list(store.folder("prefix", stage.digest).glob("states-*.safetensors"))
        assert any(file.stat().st_mtime_ns < began for file in files)
        assert json.loads((store.folder("prefix", stage.digest) / "manifest.json").read_text())["facts"]["shards"] > 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_predictions_read_the_same_states(tmp_path):
    store = Store.open(tmp_path / "store")
    one = experiment(saved(tmp_path / "m", "llama"))
    tuned = [stage for stage in plan(one).stages if stage.title.startswith("predict with tuned")]
    assert tuned and all("prefix" in stage.inputs for stage in tuned)
    for stage in order((tuned[0],)):
        perform(stage, store)
    whole = experiment(str(tmp_path / "m"), prefix_cache=False)
    plain = next(stage for stage in plan(whole).stages if stage.title.startswith("predict with tuned"))
    for stage in order((plain,)):
        perform(stage, store)
    from trimtab.stages.tables import read_predictions

    found, wanted = (read_predictions(store.folder("predict", stage.digest)) for stage in (tuned[0], plain))
    assert found.ids == wanted.ids
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-4)
