"""Trackers hear of every step where they are asked for; by default nobody is told anything."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_causal, tiny_texts
from transformers.integrations import INTEGRATION_TO_CALLBACK

from trimtab.errors import FitError
from trimtab.fit.objective_trainer import ObjectiveTrainer
from trimtab.fit.reading import Reading
from trimtab.fit.training_arguments import training_arguments
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Tune
from trimtab.objectives.naive import Naive
from trimtab.types import Labels, ModelSpec

QUICK = Tune(batch_size=4, micro_batch_size=2, epochs=2, rank=2, learning_rate=1e-2, save_every=3)


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)

    def refuse(*_):
        raise AssertionError("somebody tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def tuning(folder: Path, settings: Tune) -> Tuning:
    model = folder / "model"
    if not model.exists():
        tiny_causal(model)
    soft = np.linspace(0.1, 0.9, 10)
    labels = Labels(tuple(map(str, range(10))), np.stack([soft, 1 - soft], 1), np.ones(10))
    return Tuning(
        Reading(ModelSpec(str(model), precision="fp32"), tiny_texts(10), "{text}"), labels, Naive(), settings, 0
    )


def test_by_default_nobody_is_told(tmp_path, monkeypatch):
    arguments = training_arguments(QUICK, 10, 0, tmp_path / "work")
    assert arguments.report_to == []
    assert (arguments.push_to_hub, arguments.disable_tqdm) == (False, True)
    seen = []
    began = ObjectiveTrainer.begin_step

    def look(self):
        seen.append([type(one) for one in self.callback_handler.callbacks])
        began(self)

    monkeypatch.setattr(ObjectiveTrainer, "begin_step", look)
    tune(tuning(tmp_path, QUICK), tmp_path / "work", tmp_path / "out")
    assert seen and not set(seen[0]) & set(INTEGRATION_TO_CALLBACK.values())
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["fit.json", "student.safetensors"]


def test_tensorboard_is_told_every_step(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    facts = tune(tuning(tmp_path, replace(QUICK, report_to=("tensorboard",))), tmp_path / "work", tmp_path / "out")
    plain = tune(tuning(tmp_path, QUICK), tmp_path / "w2", tmp_path / "o2")
    assert facts["losses_nats"] == plain["losses_nats"]
    (folder,) = {file.parent for file in (tmp_path / "out" / "runs").rglob("events.out*")}
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    told = events.Scalars("train/loss")
    assert [one.step for one in told] == list(range(1, 7))
    np.testing.assert_allclose([one.value for one in told], facts["losses_nats"], rtol=1e-5)
    assert events.Scalars("train/learning_rate")
    assert json.loads((tmp_path / "out" / "fit.json").read_text())["settings"]["report_to"] == ["tensorboard"]


def test_a_tracker_that_is_not_there(tmp_path):
    with pytest.raises(FitError, match=r"the trackers nosuch of `report_to` cannot be used: .*nosuch"):
        tune(tuning(tmp_path, replace(QUICK, report_to=("nosuch",))), tmp_path / "work", tmp_path / "out")
