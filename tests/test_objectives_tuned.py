"""Every objective tunes a model as well: what is beyond the batch comes from the buffer, however batches are cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_fit_tune import QUICK, fit, learnable, predicted
from test_objectives_contract import class_of, own_test
from tiny_models import tiny_causal

from trimtab.objectives import OBJECTIVES
from trimtab.types import Labels, ModelSpec

CASES = [pytest.param(class_of(name)(**own_test(name).EXAMPLES[0]), id=name) for name in OBJECTIVES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("model") / "llama")


@pytest.mark.parametrize("objective", CASES)
def test_eight_micro_batches_of_one_are_one_of_eight(objective, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    texts, labels = learnable(16, classes=3)
    spec = ModelSpec(str(folder), precision="fp32")
    losses, answers = [], []
    for micro in (1, 8):
        settings = replace(QUICK, epochs=2, micro_batch_size=micro)
        facts = fit(spec, texts, labels, objective, settings, tmp_path / str(micro))
        losses.append(facts["losses_nats"])
        answers.append(predicted(spec, texts, tmp_path / str(micro)))
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
    np.testing.assert_allclose(answers[0], answers[1], atol=2e-3)


@pytest.mark.parametrize("objective", CASES)
def test_a_pair_exchanged_is_the_label_exchanged(objective, folder, tmp_path, monkeypatch):
    """Which of two answers is better has two classes, and calling the first one the second changes nothing."""
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    texts, labels = learnable(16)
    spec = ModelSpec(str(folder), precision="fp32")
    settings = replace(QUICK, epochs=1)
    exchanged = Labels(labels.ids, labels.probabilities[:, ::-1].copy(), labels.weights)
    losses = [
        fit(spec, texts, told, objective, settings, tmp_path / str(i))["losses_nats"]
        for i, told in enumerate((labels, exchanged))
    ]
    np.testing.assert_allclose(losses[0][0], losses[1][0], atol=1e-6)
