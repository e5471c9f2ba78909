"""Gradient tuning: it learns, it does not depend on how batches are cut, and a killed fit ends with the same
bits."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from killed_children import run_child
from safetensors.torch import load_file
from tiny_models import tiny_causal, tiny_encoder, tiny_texts

from trimtab.errors import FitError
from trimtab.fit.predict_tuned import predict_tuned
from trimtab.fit.prediction_buffer import PredictionBuffer
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.reading import Reading
from trimtab.fit.student import build_student
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Tune
from trimtab.models.load import own_backbone
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.types import Context, Labels, ModelSpec

PROMPT = "review : {text} the answer :"
QUICK = Tune(batch_size=8, micro_batch_size=8, epochs=3, learning_rate=1e-2, rank=4)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("model") / "llama")


def learnable(count: int, classes: int = 2) -> tuple[list[str], Labels]:
    """Return texts whose first word says the class, with soft labels."""
    marks = ["good", "bad", "dull"][:classes]
    gold = np.arange(count) % classes
    texts = [f"{marks[g]} {text}" for g, text in zip(gold, tiny_texts(count, longest=6), strict=True)]
    soft = np.full((count, classes), 0.1 / (classes - 1))
    soft[np.arange(count), gold] = 0.9
    return texts, Labels(tuple(map(str, range(count))), soft, np.ones(count))


def fit(spec, texts, labels, objective, settings, root: Path, seed=0, **named):
    tuning = Tuning(Reading(spec, texts, PROMPT), labels, objective, settings, seed)
    return tune(tuning, root / "work", root / "out", **named)


def predicted(spec, texts, root: Path):
    return predict_tuned(Reading(spec, texts, PROMPT), root / "out").probabilities


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_learns_soft_labels(tmp_path, kind, method):
    folder = tiny_encoder(tmp_path / "m") if kind == "bert" else tiny_causal(tmp_path / "m", kind)
    texts, labels = learnable(60, classes=3 if kind == "llama" else 2)
    settings = replace(QUICK, method=method, epochs=12, learning_rate=1e-2 if method == "lora" else 3e-3)
    # mean pooling of random encoders says little; the last token reads everything here
    spec = ModelSpec(str(folder), pooling="last", precision="fp32")
    facts = fit(spec, texts, labels, Naive(), settings, tmp_path)
    found = predicted(spec, texts, tmp_path)
    assert found.shape == labels.probabilities.shape
    np.testing.assert_allclose(found.sum(1), 1)
    assert facts["losses_nats"][0] == pytest.approx(np.log(found.shape[1]), abs=1e-6)
    assert np.mean(facts["losses_nats"][-5:]) < 0.75 * facts["losses_nats"][0]
    assert (found.argmax(1) == labels.probabilities.argmax(1)).mean() > 0.8


def test_what_is_written(folder, tmp_path):
    texts, labels = learnable(20)
    calls = []
    spec = ModelSpec(str(folder), precision="fp32")
    facts = fit(
        spec,
        texts,
        labels,
        Naive(),
        QUICK,
        tmp_path,
        progress=lambda d, t, tokens=0: calls.append((d, t, tokens)),
    )
    assert json.loads((tmp_path / "out" / "fit.json").read_text()) == facts
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["fit.json", "student.safetensors"]
    # 20 items in batches of 8 are 3 steps an epoch; every item counts once an epoch
    assert facts["steps"] == len(facts["losses_nats"]) == 9
    assert facts["tokens"] == 3 * sum(5 + len(text.split()) for text in texts)
    assert calls[-1] == (9, 9, facts["tokens"])
    weights = load_file(tmp_path / "out" / "student.safetensors")
    assert all("lora_" in name or name.startswith("head.") for name in weights)
    assert sum(value.numel() for value in weights.values()) == facts["trained_parameters"]


@pytest.mark.parametrize("objective", [Naive(), Confidence()])
def test_eight_micro_batches_of_one_are_one_of_eight(folder, tmp_path, objective):
    # 21 items: the last step of an epoch is not full
    texts, labels = learnable(21)
    labels = replace(labels, weights=np.linspace(0.5, 2, 21))
    spec = ModelSpec(str(folder), precision="fp32")
    runs = {}
    for micro in (8, 2, 1):
        facts = fit(spec, texts, labels, objective, replace(QUICK, micro_batch_size=micro), tmp_path / str(micro))
        runs[micro] = (
            facts["losses_nats"],
            predicted(spec, texts, tmp_path / str(micro)),
        )
    for micro in (2, 1):
        np.testing.assert_allclose(runs[micro][0], runs[8][0], atol=1e-4)
        np.testing.assert_allclose(runs[micro][1], runs[8][1], atol=1e-3)
    assert len(set(np.round(runs[8][0], 3))) > 3


def test_the_step_loss_is_the_weighted_mean_over_the_batch(folder, tmp_path):
    texts, labels = learnable(8)
    labels = replace(labels, weights=np.array([0, 0, 1, 2, 3, 4, 5, 1.0]))
    # the first prediction is uniform, so every item costs ln 2 and the weights, scaled to mean 1, sum to 6 of
    # 8 places
    facts = fit(ModelSpec(str(folder)), texts, labels, Naive(), replace(QUICK, epochs=1), tmp_path)
    assert facts["items"] == 6
    assert facts["losses_nats"] == [pytest.approx(np.log(2) * 6 / 8, abs=1e-6)]


def test_seeds_differ_and_equal_seeds_give_equal_bits(folder, tmp_path):
    texts, labels = learnable(24)
    spec = ModelSpec(str(folder), precision="fp32")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(spec, texts, labels, Naive(), QUICK, tmp_path / name, seed=seed)
    a, b, c = (sha256(tmp_path / name / "out" / "student.safetensors") for name in "abc")
    assert a == b
    assert a != c
    assert (tmp_path / "a" / "out" / "fit.json").read_bytes() == (tmp_path / "b" / "out" / "fit.json").read_bytes()


def test_a_prediction_does_not_depend_on_batches(folder, tmp_path):
    texts, labels = learnable(24)
    spec = ModelSpec(str(folder), precision="fp32")
    fit(spec, texts, labels, Naive(), QUICK, tmp_path)
    wanted = predicted(spec, texts, tmp_path)
    for other in (replace(spec, batch_tokens=1), replace(spec, padding="left", batch_tokens=60)):
        np.testing.assert_allclose(predicted(other, texts, tmp_path), wanted, atol=1e-3)


@pytest.mark.parametrize("change", [{"layer": 1}, {"precision": "bf16"}, {"padding": "left"}])
def test_other_ways_to_read_the_model(folder, tmp_path, change):
    texts, labels = learnable(24)
    spec = replace(ModelSpec(str(folder), precision="fp32"), **change)
    facts = fit(spec, texts, labels, Naive(), replace(QUICK, epochs=8), tmp_path)
    assert np.mean(facts["losses_nats"][-3:]) < 0.85 * facts["losses_nats"][0]
    assert np.isfinite(predicted(spec, texts, tmp_path)).all()


def test_full_tuning_in_bf16_keeps_float32_weights(folder):
    student, _ = build_student(ModelSpec(str(folder), precision="bf16"), Tune("full"), 2, 0)
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
    student, _ = build_student(ModelSpec(str(folder), precision="bf16"), Tune("lora"), 2, 0)
    assert student.head.weight.dtype == torch.float32


def test_statistics_see_the_buffer_and_progress_runs_from_0_to_1(folder, tmp_path):
    seen = []

    class Watching(Naive):
        def statistics(self, logits, labels):
            seen.append((logits.shape, bool(logits.requires_grad), float(logits.abs().max())))
            return {"mean": logits.mean(-2)}

        def __call__(self, logits, labels, context: Context):
            seen.append((round(context.progress, 6), tuple(context.statistics)))
            return super().__call__(logits, labels, context)

    texts, labels = learnable(20)
    fit(ModelSpec(str(folder)), texts, labels, Watching(), replace(QUICK, micro_batch_size=4), tmp_path)
    statistics = [entry for entry in seen if len(entry) == 3]
    calls = [entry for entry in seen if len(entry) == 2]
    assert len(statistics) == 9  # once a step, not once a micro-batch
    assert {shape for shape, _, _ in statistics} == {torch.Size([20, 2])}
    assert not any(gradient for _, gradient, _ in statistics)
    assert statistics[0][2] == 0 < statistics[-1][2]
    assert calls[0] == (0.0, ("mean",))
    assert calls[-1] == (1.0, ("mean",))


def test_the_buffer_keeps_the_latest_predictions(tmp_path):
    labels = torch.eye(2).repeat(3, 1)
    small = PredictionBuffer(labels, capacity=1024)
    small.push(torch.tensor([4, 1]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), labels[[4, 1]])
    small.push(torch.tensor([4]), torch.tensor([[5.0, 6.0]]), labels[[4]])
    assert small.logits.tolist() == [[0, 0], [3, 4], [0, 0], [0, 0], [5, 6], [0, 0]]
    ring = PredictionBuffer(labels, capacity=2)
    for value in range(3):
        ring.push(torch.tensor([value]), torch.full((1, 2), float(value)), labels[[value]])
    assert ring.logits.tolist() == [[2, 2], [1, 1]]
    assert ring.labels.tolist() == [labels[2].tolist(), labels[1].tolist()]
    ring.losses = [0.5]
    ring.save(tmp_path / "buffer")
    again = PredictionBuffer(labels, capacity=2)
    again.load(tmp_path / "buffer")
    assert (again.logits.tolist(), again.pushed, again.losses) == (ring.logits.tolist(), 3, [0.5])


def test_labels_that_cannot_be_learned(folder, tmp_path):
    texts, labels = learnable(6)
    spec = ModelSpec(str(folder))
    with pytest.raises(FitError, match="5 texts for 6 labels"):
        fit(spec, texts[:5], labels, Naive(), QUICK, tmp_path)
    with pytest.raises(FitError, match="no item with a positive weight"):
        fit(spec, texts, replace(labels, weights=np.zeros(6)), Naive(), QUICK, tmp_path)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_labels_of_one_class_teach_what_they_teach_a_probe(folder, tmp_path, method):
    """The head that always answers it, on the model as it was and without a step; weight 0 does not count."""
    texts, labels = learnable(12)
    spec, settings = ModelSpec(str(folder), precision="fp32"), replace(QUICK, method=method)
    kept = np.arange(12) % 2 == 1
    only = replace(labels, probabilities=np.eye(2)[kept.astype(int)], weights=kept.astype(float))
    facts = fit(spec, texts, only, Confidence(), settings, tmp_path)
    found = predicted(spec, tiny_texts(30, seed=5), tmp_path)
    assert found == pytest.approx(np.tile([0.0, 1.0], (30, 1)), abs=1e-12)
    assert (facts["steps"], facts["tokens"], facts["items"], facts["losses_nats"]) == (0, 0, 6, [])
    head = fit_probe(np.ones((2, 3)), np.eye(2)[[1, 1]], np.ones(2), Naive(), 0.1, Probe()).head
    assert found[0] == pytest.approx(head.probabilities(np.zeros((1, 3)))[0], rel=1e-5)


def test_a_loss_that_explodes_is_an_error(folder, tmp_path):
    class Exploding(Naive):
        def __call__(self, logits, labels, context):
            return super().__call__(logits, labels, context) * float("inf")

    texts, labels = learnable(8)
    with pytest.raises(
        FitError, match=r"Exploding: the loss is inf for 8 of 8 examples of step 1.*lower learning_rate"
    ):
        fit(ModelSpec(str(folder)), texts, labels, Exploding(), QUICK, tmp_path)
    assert not (tmp_path / "out").exists()


def test_adapters_on_layers_that_do_not_exist(folder):
    with pytest.raises(FitError, match="no_such_proj"):
        build_student(ModelSpec(str(folder)), Tune(target_modules="no_such_proj"), 2, 0)
    student, _ = build_student(ModelSpec(str(folder)), Tune(target_modules="q_proj, v_proj"), 2, 0)
    adapted = {name.split(".")[-4] for name in student.state_dict() if "lora_A" in name}
    assert adapted == {"q_proj", "v_proj"}


def test_a_fit_belongs_to_its_weights(folder, tmp_path):
    texts, labels = learnable(8)
    fit(ModelSpec(str(folder)), texts, labels, Naive(), replace(QUICK, epochs=1), tmp_path)
    other = ModelSpec(str(tiny_causal(tmp_path / "other", seed=5)))
    with pytest.raises(FitError, match="fit again"):
        predicted(other, texts, tmp_path)


def test_the_pretrained_weights_are_left_alone(folder, tmp_path):
    texts, labels = learnable(8)
    before = sha256(folder / "model.safetensors")
    fit(ModelSpec(str(folder)), texts, labels, Naive(), replace(QUICK, method="full"), tmp_path)
    assert sha256(folder / "model.safetensors") == before
    assert own_backbone(ModelSpec(str(folder))).model.embed_tokens.weight.requires_grad


def test_checkpoints_of_another_fit_are_not_used(folder, tmp_path):
    texts, labels = learnable(20)
    spec = ModelSpec(str(folder), precision="fp32")
    saving = replace(QUICK, save_every=3)
    fit(spec, texts, labels, Naive(), saving, tmp_path)
    fit(spec, texts, labels, Confidence(), saving, tmp_path)
    fit(spec, texts, labels, Confidence(), saving, tmp_path / "fresh")
    assert sha256(tmp_path / "out" / "student.safetensors") == sha256(
        tmp_path / "fresh" / "out" / "student.safetensors"
    )


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"learning_rate": 0.0}, {"dropout": 1.0}, {"batch_size": 8, "micro_batch_size": 3}, {"buffer": 10},
     {"weight_decay": -1.0}, {"epochs": 0}, {"warm_up_fraction": 1.0}],
)  # fmt: skip
def test_impossible_settings(wrong):
    with pytest.raises(ValueError, match="found"):
        Tune(**wrong)


def tune_in_child(folder: str, root: str, dropout: float, kill_after_step: int, delay_s: float) -> None:
    """Fit; a thread kills the process a moment after the given step, wherever it is then."""
    torch.set_num_threads(1)

    def kill() -> None:
        time.sleep(delay_s)
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(done: int, total: int, *, tokens: int = 0) -> None:
        if done == kill_after_step:
            threading.Thread(target=kill, daemon=True).start()
            time.sleep(delay_s / 2)

    texts, labels = learnable(40)
    settings = replace(QUICK, micro_batch_size=4, save_every=2, dropout=dropout, epochs=4)
    fit(
        ModelSpec(folder, precision="fp32"),
        texts,
        labels,
        Confidence(),
        settings,
        Path(root),
        progress=progress,
    )


def test_killed_and_resumed_equals_undisturbed(folder, tmp_path):
    # dropout draws random numbers at every step, so their state has to come back too
    moments, dropout = random.Random(0), 0.2
    for step in sorted(moments.sample(range(2, 19), 4)):
        killed = run_child(tune_in_child, str(folder), str(tmp_path / "a"), dropout, step, moments.random() * 0.05)
        assert killed == -signal.SIGKILL
        assert not (tmp_path / "a" / "out" / "fit.json").exists()
    assert list((tmp_path / "a" / "work").glob("checkpoint-*"))
    assert run_child(tune_in_child, str(folder), str(tmp_path / "a"), dropout, 0, 0.0) == 0
    assert run_child(tune_in_child, str(folder), str(tmp_path / "b"), dropout, 0, 0.0) == 0
    for name in ("student.safetensors", "fit.json"):
        assert sha256(tmp_path / "a" / "out" / name) == sha256(tmp_path / "b" / "out" / name)
