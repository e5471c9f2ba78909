"""Schedules that change how a model learns: head then body, early stopping, reading the task's texts first."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file
from tiny_study import study

from trimtab.errors import ExperimentError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import parse
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.student import build_student
from trimtab.fit.tune_settings import Tune
from trimtab.objectives.naive import Naive
from trimtab.plan import Plan, plan
from trimtab.stages.generative import TrainGenerative
from trimtab.stages.stage import Stage
from trimtab.stages.stopping import PredictBest
from trimtab.stages.tables import read_labels, read_predictions, rows_of
from trimtab.stages.train import TrainTune
from trimtab.store import Store, facts_of
from trimtab.types import ModelSpec

TUNE = {"kind": "tune", "method": "full", "epochs": 1, "learning_rate": 1e-3}
SCHEDULES = [
    "naive",
    {"schedule": {"early_stopping": {"lengths": [2, 40]}}},
    {"name": "oracle_stop", "schedule": {"early_stopping": {"lengths": [2, 40], "oracle": True}}},
    {"name": "one_length", "schedule": {"early_stopping": {"lengths": [40]}}},
    {"schedule": {"generative": {"learning_rate": 0.001}}},
]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """A study of probes with every schedule that a probe can take."""
    folder = tmp_path_factory.mktemp("probed")
    planned = plan(parse(study(folder, (0,), methods=SCHEDULES, controls=False), folder))
    store = Store.open(folder / "store")
    run_stages(planned.stages, store, 1, Quiet())
    return planned, store


def folder_of(store: Store, stage: Stage) -> Path:
    return store.folder(stage.kind, stage.digest)


def row_stage(planned: Plan, method: str, role: str = "student") -> Any:
    row = next(one for one in planned.compare.rows if one.method == method)
    return planned.compare.predictions[getattr(row, f"{role}_predictions")[0]]


@pytest.mark.parametrize("method", ["early_stopping", "oracle_stop"])
def test_the_length_with_the_lowest_held_out_loss_is_kept(probed: tuple[Plan, Store], method: str) -> None:
    """Recomputed from the stored predictions of both lengths on the items that neither has learnt."""
    planned, store = probed
    best = row_stage(planned, method)
    assert isinstance(best, PredictBest)
    told, learnt, judge = (read_labels(folder_of(store, one)) for one in (best.told, best.learnt, best.judge))
    held = np.flatnonzero(learnt.weights == 0)
    assert len(held) == 20  # a fifth of 100
    wanted = judge.probabilities[rows_of(judge.ids, [told.ids[i] for i in held])]
    losses = []
    for stage in best.predictions:
        found = read_predictions(folder_of(store, stage))
        p = found.probabilities[rows_of(found.ids, [told.ids[i] for i in held])]
        losses.append(-(wanted * np.log(p)).sum(1).mean())
    facts = facts_of(folder_of(store, best))
    assert [one["held_out_nats"] for one in facts["lengths"]] == pytest.approx(losses, rel=1e-9)
    assert facts["length"] == (2, 40)[int(np.argmin(losses))]
    kept = read_predictions(folder_of(store, best))
    chosen = read_predictions(folder_of(store, best.predictions[int(np.argmin(losses))])).of_split("test")
    np.testing.assert_array_equal(kept.probabilities, chosen.probabilities)


def test_held_out_items_are_not_learnt_and_the_ceiling_holds_out_the_same(probed: tuple[Plan, Store]) -> None:
    planned, store = probed
    student, ceiling = (row_stage(planned, "early_stopping", role) for role in ("student", "ceiling"))
    ids = []
    for one in (student, ceiling):
        learnt = read_labels(folder_of(store, one.learnt))
        ids.append({name for name, weight in zip(learnt.ids, learnt.weights, strict=True) if weight == 0})
    assert ids[0] == ids[1]
    rows = json.loads((folder_of(store, planned.compare) / "results.json").read_text())["rows"]
    kinds = {row["method"]: (row["ceiling_kind"], row["truth"]) for row in rows}
    assert kinds["early_stopping"] == ("early_stopping", "none")
    assert kinds["oracle_stop"] == ("early_stopping", "oracle")
    assert kinds["naive"] == ("plain", "none")
    assert kinds["generative"] == ("generative", "none")


def test_with_one_length_it_is_naive_on_fewer_items(probed: tuple[Plan, Store]) -> None:
    planned, store = probed
    best = row_stage(planned, "one_length")
    (only,) = best.predictions
    assert only.model.fit.max_steps == 40
    learnt = read_labels(folder_of(store, only.model.labels))
    assert (learnt.weights > 0).sum() == 80


def test_reading_the_texts_changes_the_model_and_never_sees_a_test_text(
    probed: tuple[Plan, Store], tmp_path: Path
) -> None:
    """The stage runs again on data whose test texts are others: the weights have the same bits."""
    planned, store = probed
    (stage,) = {one.digest: one for one in planned.stages if isinstance(one, TrainGenerative)}.values()
    first = folder_of(store, stage)
    facts = facts_of(first)
    assert facts["items"] == 220 and facts["steps"] > 0 and np.isfinite(facts["loss_nats"])
    data = tmp_path / "data"
    shutil.copytree(folder_of(store, stage.inputs["data"]), data)
    items = pq.read_table(data / "items.parquet").to_pydict()
    items["text"] = [
        "nothing of this kind" if role == "test" else text
        for text, role in zip(items["text"], items["role"], strict=True)
    ]
    pq.write_table(pa.table(items), data / "items.parquet")
    (tmp_path / "out").mkdir()
    stage.run({"data": data}, tmp_path / "out", tmp_path / "work", lambda *_, **__: None)
    weights = "model/model.safetensors"
    assert (tmp_path / "out" / weights).read_bytes() == (first / weights).read_bytes()
    naive, read = (read_predictions(folder_of(store, row_stage(planned, one))) for one in ("naive", "generative"))
    assert np.abs(naive.probabilities - read.probabilities).max() > 1e-4


def test_a_student_that_starts_from_a_probe_says_what_the_probe_says(tmp_path: Path) -> None:
    """z = W' (x - mean) / scale + b on the untrained backbone's pooled states, to float32 rounding."""
    values = study(tmp_path, (0,))
    spec = ModelSpec(values["strong"][0]["model"], pooling="mean")
    student, backbone = build_student(spec, Tune(method="full"), 2, seed=0)
    student.eval()
    ids = torch.randint(5, 20, (40, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        states = backbone.hidden_states(ids, mask).mean(1).double().numpy()
    gold = (states[:, 0] > np.median(states[:, 0])).astype(int)
    head = fit_probe(states, np.eye(2)[gold], np.ones(40), Naive(), 0.1, Probe()).head
    student.start_from(head)
    with torch.no_grad():
        found = student(ids, mask).softmax(-1).numpy()
    np.testing.assert_allclose(found, head.probabilities(states), atol=1e-5)


def test_head_then_body_tunes_from_the_probe_and_so_does_its_ceiling(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive", {"schedule": "head_then_body"}], controls=False)
    strong = {**values["strong"][0], "fit": TUNE}
    strong.pop("layer")
    planned = plan(parse(values | {"strong": [strong]}, tmp_path))
    store = Store.open(tmp_path / "store")
    run_stages(planned.stages, store, 1, Quiet())
    for role in ("student", "ceiling"):
        tuned = row_stage(planned, "head_then_body", role).model
        assert isinstance(tuned, TrainTune) and tuned.head is not None
        plain = replace(tuned, head=None)
        losses = [
            json.loads((folder_of(store, one) / "fit.json").read_text())["losses_nats"][0] for one in (tuned, plain)
        ]
        assert losses[0] < losses[1] == pytest.approx(np.log(2), abs=1e-6)  # a head of zeros says 1/2 to everything


def test_head_then_body_needs_a_body(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=[{"schedule": "head_then_body"}], controls=False)
    with pytest.raises(ExperimentError, match="a probe has no body to tune; set `fit: tune`"):
        plan(parse(values, tmp_path))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"early_stopping": {"lengths": [3, 1]}}, "lengths must be rising"),
        ({"early_stopping": {"folds": 1}}, "folds must be at least 2"),
        ({"generative": {"epochs": 0}}, "epochs must be at least 1"),
        ({"generative": {"batch_size": 12}}, "batch_size must be a multiple of 8"),
        ({"generative": {"learning_rate": 0.0}}, "learning_rate must be above 0"),
        ({"early_stoping": {}}, 'Did you mean "early_stopping"'),
    ],
)
def test_bad_settings_are_refused(schedule: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=message):
        parse(study(tmp_path, (0,), methods=[{"schedule": schedule}]), tmp_path)


def test_an_encoder_cannot_read_texts(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=[{"schedule": "generative"}], controls=False)
    with pytest.raises(ExperimentError, match="generative needs a model that continues texts"):
        plan(parse(values | {"strong": values["weak"]}, tmp_path))


def predictions_of(planned: Plan, store: Store, method: str) -> np.ndarray:
    """Return what the student of a method says of the test items."""
    return read_predictions(folder_of(store, row_stage(planned, method))).of_split("test").probabilities


def test_with_one_length_its_student_is_naive_without_the_held_out_items(probed: tuple[Plan, Store]) -> None:
    """Fitted again here, from the stored labels and activations of the items that are not held out, to the bits."""
    planned, store = probed
    (only,) = row_stage(planned, "one_length").predictions
    learnt, model = read_labels(folder_of(store, only.model.labels)), only.model
    inside = learnt.weights > 0
    strength = json.loads((folder_of(store, model.selection) / "selection.json").read_text("utf-8"))["strength"]
    ids = tuple(pq.read_table(folder_of(store, model.data) / "items.parquet", columns=["id"])["id"].to_pylist())
    values = load_file(folder_of(store, model.activations) / "activations.safetensors")["activations"]
    told = values[rows_of(ids, learnt.ids)][inside], learnt.probabilities[inside], np.ones(inside.sum())
    head = fit_probe(*told, Naive(), strength, replace(model.fit, max_steps=40)).head
    found = read_predictions(folder_of(store, row_stage(planned, "one_length")))
    np.testing.assert_allclose(
        found.probabilities, head.probabilities(values[rows_of(ids, found.ids)]), rtol=0, atol=1e-12
    )


STILL = 1e-12
"""A learning rate at which float32 weights stay what they are."""


def test_tuning_that_moves_nothing_makes_head_then_body_naive_with_a_probe(tmp_path: Path) -> None:
    """The same model, labels and choice of a penalty; a head folded into float32 is all that lies between."""
    values = study(tmp_path, (0,), controls=False)
    strong = {"model": values["strong"][0]["model"], "pooling": "mean", "precision": "fp32"}
    store = Store.open(tmp_path / "store")
    found = {}
    for method, fit in (("naive", "probe"), ("head_then_body", TUNE | {"learning_rate": STILL})):
        methods = ["naive"] if method == "naive" else [{"schedule": method}]
        planned = plan(parse(values | {"strong": [strong | {"fit": fit}], "methods": methods}, tmp_path))
        run_stages(planned.stages, store, 1, Quiet())
        found[method] = predictions_of(planned, store, method)
    np.testing.assert_allclose(found["head_then_body"], found["naive"], atol=1e-5)
    assert np.ptp(found["naive"][:, 1]) > 0.05


def test_reading_that_moves_nothing_makes_generative_naive(tmp_path: Path) -> None:
    """The model goes through the trainer, is written and read again, and is the model that it was."""
    methods = ["naive", {"schedule": {"generative": {"learning_rate": STILL}}}]
    values = study(tmp_path, (0,), methods=methods, controls=False)
    planned = plan(parse(values, tmp_path))
    store = Store.open(tmp_path / "store")
    run_stages(planned.stages, store, 1, Quiet())
    naive, read = (predictions_of(planned, store, method) for method in ("naive", "generative"))
    np.testing.assert_allclose(read, naive, atol=1e-5)
    assert np.ptp(naive[:, 1]) > 0.05
