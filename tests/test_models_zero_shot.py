"""Zero-shot class probabilities against a plain restatement, one text and one class at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import WORDS, tiny_causal, tiny_encoder, tiny_texts
from transformers import AutoModelForCausalLM, AutoTokenizer

from trimtab.errors import ModelError, UsageError
from trimtab.models.logprobs import sequence_log_probabilities
from trimtab.models.zero_shot import zero_shot
from trimtab.types import ModelSpec

PROMPT = "review : {text} the answer :"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


def restated(folder, texts, answers, prompt=PROMPT):
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    table = np.zeros((len(texts), len(answers)))
    for row, text in enumerate(texts):
        start = tokenizer(prompt.replace("{text}", text))["input_ids"]
        for column, answer in enumerate(answers):
            word = tokenizer(answer)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([start + word])).logits[0].double()
            for offset, token in enumerate(word):
                table[row, column] += float(logits[len(start) + offset - 1].log_softmax(-1)[token])
    likelihood = np.exp(table)
    return likelihood / likelihood.sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("answers", [("positive", "negative"), ("positive", "very good", "very bad", "no no no")])
@pytest.mark.parametrize("batch_tokens", [1, 200, 4096])
def test_it_equals_the_plain_sum_of_log_probabilities(tmp_path, kind, answers, batch_tokens):
    folder, texts = tiny_causal(tmp_path / "model", kind), tiny_texts(9)
    spec = ModelSpec(str(folder), precision="fp32", batch_tokens=batch_tokens)
    found = zero_shot(spec, texts, PROMPT, answers)
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    np.testing.assert_allclose(found.probabilities, restated(folder, texts, answers), atol=1e-4)


def test_permuting_the_classes_permutes_the_columns(tmp_path):
    spec, texts = ModelSpec(str(tiny_causal(tmp_path / "model"))), tiny_texts(5)
    forward = zero_shot(spec, texts, PROMPT, ("positive", "very bad", "no")).probabilities
    backward = zero_shot(spec, texts, PROMPT, ("no", "very bad", "positive")).probabilities
    np.testing.assert_allclose(forward, backward[:, ::-1], atol=1e-6)


def test_a_shared_beginning_costs_one_pass(tmp_path):
    spec, texts = ModelSpec(str(tiny_causal(tmp_path / "model"))), ["good", "bad film"]
    prompt_tokens = 5 * 2 + 3
    assert zero_shot(spec, texts, PROMPT, ("positive", "negative")).tokens == prompt_tokens
    assert zero_shot(spec, texts, PROMPT, ("very good", "very bad")).tokens == prompt_tokens + 2
    assert zero_shot(spec, texts, PROMPT, ("very good", "bad")).tokens == 2 * prompt_tokens + 2


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("answers", [("positive", "negative"), ("positive", "very good", "very bad", "no no no")])
def test_examples_before_every_text_run_once_and_change_nothing(tmp_path, kind, answers):
    folder, texts = tiny_causal(tmp_path / "model", kind), tiny_texts(9)
    prompt = "review : good film the answer : positive " * 3 + PROMPT
    found = zero_shot(ModelSpec(str(folder), precision="fp32"), texts, prompt, answers)
    np.testing.assert_allclose(found.probabilities, restated(folder, texts, answers, prompt), atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = [tokenizer(prompt.replace("{text}", text))["input_ids"] for text in texts]
    shared = next(place for place, here in enumerate(zip(*inputs, strict=False)) if len(set(here)) > 1)
    heads = {tuple(tokenizer(answer)["input_ids"][:-1]) for answer in answers}
    assert shared >= 26
    assert found.tokens == sum(shared + sum(len(ids) - shared + len(head) for ids in inputs) for head in heads)


def test_long_texts_leave_room_for_the_answer(tmp_path):
    spec = ModelSpec(str(tiny_causal(tmp_path / "model")))
    found = zero_shot(spec, ["good " * 100, "bad"], PROMPT, ("very very good", "bad"))
    assert found.truncated == 1
    assert np.isfinite(found.probabilities).all()


def test_an_encoder_cannot_answer(tmp_path):
    with pytest.raises(ModelError, match="needs a causal model"):
        zero_shot(ModelSpec(str(tiny_encoder(tmp_path / "model"))), ["good"], PROMPT, ("yes", "no"))


def test_classes_of_equal_tokens_are_refused(tmp_path):
    with pytest.raises(UsageError, match="different, non-empty tokens"):
        zero_shot(ModelSpec(str(tiny_causal(tmp_path / "model"))), ["good"], PROMPT, ("Yes", "yes"))
    assert "yes" in WORDS


def test_log_probabilities_by_hand():
    # p(1 | 0) = 0.8 and p(0 | 0 1) = 0.5; the third token is not counted
    logits = torch.log(torch.tensor([[[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]]))
    ids = torch.tensor([[0, 1, 0, 1]])
    found = sequence_log_probabilities(logits, ids, torch.tensor([[1, 1, 1, 0]]))
    assert found.exp().item() == pytest.approx(0.4)
    everything = sequence_log_probabilities(logits, ids, torch.ones(1, 4, dtype=torch.long))
    assert everything.exp().item() == pytest.approx(0.04)
