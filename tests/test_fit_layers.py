"""Training the top layers: from stored hidden states, or with the layers below run each time, it is the same fit."""

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
from tiny_models import tiny_texts

from trimtab.digest import file_digest
from trimtab.errors import FitError, ModelError, StoreError
from trimtab.executors.perform import perform
from trimtab.experiment import parse
from trimtab.fit.predict_tuned import predict_tuned
from trimtab.fit.reading import Reading
from trimtab.fit.step_batches import StepBatches
from trimtab.fit.student import build_student
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Layers, Tune
from trimtab.models.load import own_backbone
from trimtab.objectives.confidence import Confidence
from trimtab.plan import plan
from trimtab.stages import prefix as prefix_stage
from trimtab.stages.prefix import Prefix, open_prefix
from trimtab.stages.stage import order
from trimtab.stages.train import TrainTune
from trimtab.store import Store
from trimtab.types import Labels, ModelSpec

PROMPT = "review : {text} the answer :"
QUICK = Tune(layers=Layers(2), batch_size=8, micro_batch_size=4, epochs=2, learning_rate=1e-2, rank=4, save_every=2)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    prefix_stage._VERIFIED.clear()


def learnable(count: int) -> tuple[list[str], Labels]:
    texts = tiny_texts(count, longest=12)
    soft = np.linspace(0.05, 0.95, count)
    return texts, Labels(tuple(map(str, range(count))), np.stack([soft, 1 - soft], 1), np.linspace(0.5, 2, count))


def stored(spec: ModelSpec, texts: list[str], top: int, folder: Path) -> Reading:
    """Return the texts with what the lower layers give, written and read back."""
    from trimtab.fit.lower_layers import lower_layers
    from trimtab.models.prefix_states import INDEX, StoredStates

    folder.mkdir(parents=True, exist_ok=True)
    lower = lower_layers(spec, texts, PROMPT, top)
    lower.write(folder, lambda *_, **__: None)
    lower.write_index(folder / INDEX)
    return Reading(spec, texts, PROMPT, StoredStates(folder))


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3", "bert", "mpnet", "modernbert"])
def test_the_cached_fit_is_the_uncached_one(tmp_path, name, method):
    # in fp32: each step's loss to 1e-5, each prediction to 1e-4
    spec = ModelSpec(saved(tmp_path / "m", name), precision="fp32", pooling="last")
    texts, labels = learnable(20)
    settings = replace(QUICK, method=method, learning_rate=1e-2 if method == "lora" else 3e-3)
    found = {}
    for way, reading in (
        ("whole", Reading(spec, texts, PROMPT)),
        ("stored", stored(spec, texts, 2, tmp_path / "states")),
    ):
        facts = tune(Tuning(reading, labels, Confidence(), settings, 0), tmp_path / way / "work", tmp_path / way)
        found[way] = facts["losses_nats"], predict_tuned(reading, tmp_path / way).probabilities
        assert facts["items"] == 20
    np.testing.assert_allclose(found["stored"][0], found["whole"][0], atol=1e-5)
    np.testing.assert_allclose(found["stored"][1], found["whole"][1], atol=1e-4)
    assert np.abs(found["whole"][1] - 0.5).max() > 0.01
    # a fit on stored states can be used without them, and the other way round
    crossed = predict_tuned(Reading(spec, texts, PROMPT), tmp_path / "stored").probabilities
    np.testing.assert_allclose(crossed, found["stored"][1], atol=1e-4)


def test_dropout_acts_above_the_cut_only_so_stored_states_stay_exact(tmp_path):
    spec = ModelSpec(saved(tmp_path / "m", "gpt2"), precision="fp32")
    texts, labels = learnable(16)
    settings = replace(QUICK, dropout=0.3)
    losses = [
        tune(Tuning(reading, labels, Confidence(), settings, 0), tmp_path / f"w{way}", tmp_path / f"o{way}")
        for way, reading in enumerate((Reading(spec, texts, PROMPT), stored(spec, texts, 2, tmp_path / "states")))
    ]
    np.testing.assert_allclose(losses[0]["losses_nats"], losses[1]["losses_nats"], atol=1e-5)
    student, _ = build_student(spec, settings, 2, 0)
    student.train()
    active = [
        name for name, module in student.named_modules() if isinstance(module, torch.nn.Dropout) and module.training
    ]
    assert active
    assert not any(".h.0." in name or ".h.1." in name or name.endswith(".drop") for name in active)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("from_states", [False, True])
def test_only_what_is_above_the_cut_is_trained(tmp_path, precision, from_states):
    spec = ModelSpec(saved(tmp_path / "m", "llama"), precision=precision)
    full, _ = build_student(spec, replace(QUICK, method="full"), 2, 0, from_states)
    parts = {name.split(".")[2] if ".layers." in name else name.split(".")[-2] for name in full.state_dict()}
    assert parts == {"2", "3", "norm", "head"}
    assert {value.dtype for value in full.state_dict().values()} == {torch.float32}
    lora, _ = build_student(spec, QUICK, 2, 0, from_states)
    assert {name.split(".layers.")[1][0] for name in lora.state_dict() if "lora" in name} == {"2", "3"}
    chosen, _ = build_student(spec, replace(QUICK, target_modules="self_attn.q_proj"), 2, 0, from_states)
    assert {name.split(".")[-4] for name in chosen.state_dict() if "lora_A" in name} == {"q_proj"}
    with pytest.raises(FitError, match="no layer above the cut is called no_such"):
        build_student(spec, replace(QUICK, target_modules="no_such"), 2, 0, from_states)


def test_bf16_and_early_exits_learn_from_stored_states(tmp_path):
    texts, labels = learnable(16)
    for number, change in enumerate(({"precision": "bf16"}, {"layer": 3}, {"padding": "left"})):
        spec = replace(ModelSpec(saved(tmp_path / f"m{number}", "llama"), precision="fp32"), **change)
        for method in ("lora", "full"):
            losses = []
            for way in ("whole", "stored"):
                reading = Reading(spec, texts, PROMPT)
                if way == "stored":
                    reading = stored(spec, texts, 2, tmp_path / f"s{number}")
                out = tmp_path / f"{number}{method}{way}"
                settings = replace(QUICK, method=method, learning_rate=3e-3)
                losses.append(tune(Tuning(reading, labels, Confidence(), settings, 0), out / "w", out)["losses_nats"])
            np.testing.assert_allclose(losses[0], losses[1], atol=2e-2 if "precision" in change else 1e-5)


def test_stored_states_of_other_texts_are_refused(tmp_path):
    spec = ModelSpec(saved(tmp_path / "m", "llama"), precision="fp32")
    texts, labels = learnable(12)
    other = stored(spec, tiny_texts(12, seed=9, longest=12), 2, tmp_path / "states")
    with pytest.raises(FitError, match="belong to other texts"):
        tune(Tuning(replace(other, texts=texts), labels, Confidence(), QUICK, 0), tmp_path / "w", tmp_path / "o")


def test_the_shared_backbone_is_left_as_it_was(tmp_path):
    spec = ModelSpec(saved(tmp_path / "m", "llama"), precision="fp32")
    texts, labels = learnable(12)
    reading = stored(spec, texts, 2, tmp_path / "states")
    for method in ("full", "lora"):
        tune(Tuning(reading, labels, Confidence(), replace(QUICK, method=method), 0), tmp_path / "w", tmp_path / "o")
    again = stored(spec, texts, 2, tmp_path / "again")
    wanted = own_backbone(spec).model.state_dict()
    from trimtab.models.load import shared_backbone

    found = shared_backbone(spec).model.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert again.states is not None and reading.states is not None
    assert all(torch.equal(again.states[item], reading.states[item]) for item in range(12))


def test_every_item_once_an_epoch_and_steps_do_not_depend_on_micro_batches_or_devices():
    lengths = [5, 1, 9, 3, 3, 7, 2, 8, 4, 6, 11]
    for epoch in (0, 1):
        steps: dict[int, list[set[int]]] = {}
        for micro, world in ((4, 1), (2, 1), (1, 1), (2, 2), (1, 4)):
            dealt = [StepBatches(lengths, 4, micro, 7, rank, world) for rank in range(world)]
            for one in dealt:
                one.set_epoch(epoch)
            ranks = [list(one) for one in dealt]
            assert {len(one) for one in ranks} == {len(dealt[0])}
            a_step = 4 // (micro * world)
            counted = [
                {item for rank in ranks for batch in rank[i : i + a_step] for item, counts in batch if counts}
                for i in range(0, len(ranks[0]), a_step)
            ]
            assert sum(map(len, counted)) == len(lengths)
            assert sorted(set().union(*counted)) == list(range(len(lengths)))
            steps.setdefault(epoch, counted)
            assert counted == steps[epoch]
        alone = StepBatches(lengths, 4, 2, 7)
        alone.set_epoch(epoch)
        first, second = list(alone)[:2]
        assert min(lengths[item] for item, _ in first) >= max(lengths[item] for item, _ in second)


def test_seeds_and_epochs_have_orders_of_their_own():
    def steps(seed: int, epoch: int) -> list[Any]:
        batches = StepBatches([1] * 50, 10, 10, seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert steps(0, 0) == steps(0, 0)
    assert steps(0, 1) not in (steps(0, 0), steps(1, 0))


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
