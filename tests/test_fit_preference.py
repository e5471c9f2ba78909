"""Direct preference optimisation on given tokens, against a restatement without TRL."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_causal, tiny_encoder
from transformers import AutoModelForCausalLM

from trimtab.errors import UsageError
from trimtab.fit.preference import TokenPair, prefer
from trimtab.fit.preference_settings import Preference
from trimtab.types import ModelSpec

PAIRS = [
    TokenPair((2, 5 + i % 3), (8, 9 + i % 4, 3), (12, 13 + i % 5)) for i in range(16)
]  # the first answer of each pair ends (token 3), the other ran out of room
SETTINGS = Preference(epochs=2, learning_rate=1e-2, batch_size=8, beta=0.5)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


def tuned(folder: Path, work: Path, out: Path, settings: Preference = SETTINGS, progress=lambda *_, **__: None):
    return prefer(ModelSpec(str(folder), precision="fp32"), PAIRS, settings, 0, work, out, progress)


def answer_nats(model, prompt, answer):
    ids = torch.tensor([[*prompt, *answer]])
    logits = model(ids).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) + i - 1, token] for i, token in enumerate(answer))


def loss_of(model, reference, pairs, beta):
    """The formula, pair by pair."""
    found = []
    for one in pairs:
        ratio = [answer_nats(model, one.prompt, a) - answer_nats(reference, one.prompt, a).detach()
                 for a in (one.chosen, one.rejected)]  # fmt: skip
        found.append(-torch.nn.functional.logsigmoid(beta * (ratio[0] - ratio[1])))
    return torch.stack(found).mean()


def test_one_step_equals_a_restatement(tmp_path):
    folder = tiny_causal(tmp_path / "model")
    settings = Preference(epochs=1, learning_rate=1e-2, batch_size=16, beta=0.5)
    facts = tuned(folder, tmp_path / "work", tmp_path / "out", settings)
    assert facts["steps"] == 1
    assert facts["loss_nats"] == pytest.approx(math.log(2), abs=1e-5)  # tuned and untuned are still the same
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    reference = copy.deepcopy(model)
    loss = loss_of(model, reference, PAIRS, 0.5)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0).step()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    for name, wanted in model.state_dict().items():
        torch.testing.assert_close(found[name], wanted, rtol=0, atol=2e-4, msg=name)


def test_the_tuned_model_prefers_what_was_preferred(tmp_path):
    folder = tiny_causal(tmp_path / "model")
    facts = tuned(folder, tmp_path / "work", tmp_path / "out")
    reference = AutoModelForCausalLM.from_pretrained(folder).eval()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert loss_of(model, reference, PAIRS, 0.5) < math.log(2) / 2
    assert facts["tokens"] == 2 * sum(4 + len(one.chosen) + len(one.rejected) for one in PAIRS)


def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("trimtab.fit.preference.SAVE_EVERY", 2)
    folder = tiny_causal(tmp_path / "model")
    tuned(folder, tmp_path / "whole", tmp_path / "out")

    class StoppedError(RuntimeError):
        pass

    def stop(done, total, **_):
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        tuned(folder, tmp_path / "work", tmp_path / "again", progress=stop)
    seen = []
    tuned(folder, tmp_path / "work", tmp_path / "again", progress=lambda done, total, **_: seen.append(done))
    assert seen == [3, 4]
    first, second = (AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("out", "again"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_tuned_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no pair to learn from"):
        prefer(ModelSpec("x"), [], SETTINGS, 0, tmp_path, tmp_path, lambda *_, **__: None)
    with pytest.raises(UsageError, match="is an encoder"):
        tuned(tiny_encoder(tmp_path / "encoder"), tmp_path / "work", tmp_path / "out")
    with pytest.raises(ValueError, match="beta must be above 0, found 0"):
        Preference(beta=0)
