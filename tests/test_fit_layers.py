"""Training the top layers: from stored hidden states, or with the layers below run each time, it is the same fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_models_prefix import saved
from tiny_models import tiny_texts

from trimtab.errors import FitError
from trimtab.fit.predict_tuned import predict_tuned
from trimtab.fit.reading import Reading
from trimtab.fit.step_batches import StepBatches
from trimtab.fit.student import build_student
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Layers, Tune
from trimtab.models.load import own_backbone
from trimtab.objectives.confidence import Confidence
from trimtab.stages import prefix as prefix_stage
from trimtab.types import Labels, ModelSpec

PROMPT = "review : {text} the answer :"
QUICK = Tune(layers=Layers(2), batch_size=8, micro_batch_size=4, epochs=2, learning_rate=1e-2, rank=4)


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
