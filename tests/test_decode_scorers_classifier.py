"""A fitted classifier as a scorer: log-odds, held-out accuracy, files, and what it reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from decode_models import PROMPTS, tiny
from tiny_models import HIDDEN, tiny_causal, tiny_encoder, tiny_texts
from transformers import BertConfig, BertModel

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import Indifferent, best_of_n, sample
from trimtab.decode.classifier import fit_classifier
from trimtab.decode.scorers.classifier import Classifier, load_classifier, log_odds
from trimtab.decode.text_states import TextStates
from trimtab.errors import FitError, ModelError, UsageError
from trimtab.fit.probe import Head
from trimtab.fit.probe_settings import Probe
from trimtab.types import ModelSpec

SETTINGS = Probe(strengths=(0.01, 0.1, 1.0), folds=2)
TEXTS = tiny_texts(500, seed=5, longest=4)
KIND = {"good", "great", "fun", "positive", "yes", "always", "really", "very", "acting"}
LABELS = [int(bool(KIND & set(text.split()))) for text in TEXTS]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return ModelSpec(str(tiny_encoder(tmp_path_factory.mktemp("encoder"))), layer=1, precision="fp32")


@pytest.fixture(scope="module")
def fitted(spec: ModelSpec) -> Classifier:
    return fit_classifier(spec, TEXTS, LABELS, settings=SETTINGS)


def values(classifier: Classifier, answers: list[Answer], compute: Compute | None = None) -> list[float]:
    prompts = [PROMPTS[place % len(PROMPTS)] for place in range(len(answers))]
    return list(classifier.values(prompts, answers, compute or Compute()))


ANSWERS = [Answer(text) for text in (" good", " bad film", "", " and a great plot", " " + " ".join(TEXTS[:3]))]


def test_log_odds_are_the_difference_of_log_probabilities_and_never_infinite() -> None:
    generator = np.random.default_rng([0, 0xA])
    weight, bias, mean = (generator.normal(size=shape) for shape in ((4, 2), (2,), (4,)))
    head = Head(weight, bias, mean, np.full(4, 0.5))
    states = generator.normal(size=(6, 4)).astype(np.float32)
    logs = np.log(head.probabilities(states))
    assert log_odds(head, states) == pytest.approx(logs[:, 1] - logs[:, 0], abs=1e-9)
    sure = Head(np.array([[0.0, 1e4]]), np.zeros(2), np.zeros(1), np.ones(1))
    assert log_odds(sure, np.array([[1.0], [-1.0]], np.float32)).tolist() == [1e4, -1e4]


def test_a_classifier_beats_chance_on_texts_that_it_has_not_seen(fitted: Classifier) -> None:
    accuracy, majority = fitted.fit.accuracy, max(np.mean(LABELS), 1 - np.mean(LABELS))
    assert majority < 0.65
    assert accuracy.low is not None and accuracy.high is not None and accuracy.mean is not None
    assert majority < accuracy.low < accuracy.mean < accuracy.high <= 1
    assert (fitted.fit.trained, fitted.fit.held_out) == (400, 100)
    said = values(fitted, [Answer(" good great fun"), Answer(" bad awful dull")])
    assert said[0] > said[1]


def test_labels_of_no_meaning_are_not_learnt(spec: ModelSpec) -> None:
    shuffled = np.random.default_rng([1, 0xB]).permutation(LABELS).tolist()
    fit = fit_classifier(spec, TEXTS, shuffled, settings=SETTINGS).fit
    assert fit.accuracy.low is not None and fit.accuracy.low < max(np.mean(LABELS), 1 - np.mean(LABELS))


def test_texts_of_one_group_lie_on_one_side(spec: ModelSpec) -> None:
    """Texts with random labels are there many times: by groups nothing can be known of them, else all is known."""
    labels = np.random.default_rng([2, 0xC]).integers(2, size=24).tolist()
    texts, many, names = TEXTS[:24] * 6, labels * 6, [str(place) for place in range(24)] * 6
    settings = Probe(strengths=(1e-4,), folds=2)
    told = fit_classifier(spec, texts, many, groups=names, settings=settings).fit.accuracy
    leaked = fit_classifier(spec, texts, many, settings=settings).fit.accuracy
    assert told.mean is not None and told.mean < 0.75
    assert leaked.mean == 1


def test_a_batch_is_as_many_texts_alone_in_any_order(fitted: Classifier, spec: ModelSpec) -> None:
    together = values(fitted, ANSWERS)
    assert len({round(one, 3) for one in together}) == len(together)
    for place, answer in enumerate(ANSWERS):
        prompt = PROMPTS[place % len(PROMPTS)]
        assert fitted.values([prompt], [answer], Compute())[0] == pytest.approx(together[place], abs=1e-5)
    states = TextStates(replace(spec, batch_tokens=24))
    small = Classifier(states, fitted.head, "whole", fitted.fit)
    assert values(small, ANSWERS) == pytest.approx(together, abs=1e-5)
    left = Classifier(TextStates(replace(spec, padding="left")), fitted.head, "whole", fitted.fit)
    assert values(left, ANSWERS) == pytest.approx(together, abs=1e-4)


def test_the_state_is_the_average_over_the_uncut_models_tokens(fitted: Classifier, spec: ModelSpec) -> None:
    ids = torch.tensor([fitted.states.backbone.tokenizer("the film was good")["input_ids"]])
    with torch.no_grad():
        states = BertModel.from_pretrained(spec.model, add_pooling_layer=False)(
            input_ids=ids, output_hidden_states=True
        ).hidden_states
    state = states[1].mean(1).numpy()
    (found,) = fitted.values([Prompt("p", "the film")], [Answer(" was good")], Compute())
    assert found == pytest.approx(log_odds(fitted.head, state)[0], abs=1e-5)


def test_it_reads_prompt_and_answer_or_the_answer_alone(fitted: Classifier) -> None:
    alone = Classifier(fitted.states, fitted.head, "answer", fitted.fit)
    prompts, answers = [Prompt("a", "a really bad"), Prompt("b", "great")], [Answer(" film"), Answer(" film")]
    first, second = alone.values(prompts, answers, Compute())
    assert first == pytest.approx(second, abs=1e-5)
    first, second = fitted.values(prompts, answers, Compute())
    assert abs(first - second) > 1e-3
    whole = fitted.values([Prompt("c", "")], [Answer(" film")], Compute())
    assert alone.values(prompts[:1], answers[:1], Compute()) == pytest.approx(whole, abs=1e-5)


def test_an_empty_answer_is_the_prompt_alone_or_the_frame_around_nothing(fitted: Classifier) -> None:
    (whole,) = fitted.values([PROMPTS[0]], [Answer()], Compute())
    assert whole == pytest.approx(fitted.values([Prompt("p", "the film")], [Answer(" was")], Compute())[0], abs=1e-5)
    alone, compute = Classifier(fitted.states, fitted.head, "answer", fitted.fit), Compute()
    found = alone.values(PROMPTS[:2], [Answer(), Answer("", (3,), ended=True)], compute)
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert compute.tokens == {"reward": 4}  # a token that begins a text and one that ends it


def test_tokens_and_operations_are_counted_without_what_never_runs(tmp_path: Path, fitted: Classifier) -> None:
    compute = Compute()
    fitted.values([PROMPTS[0]] * 2, [Answer(" good"), Answer("")], compute)
    model = BertModel(BertConfig.from_pretrained(fitted.states.spec.model))  # with a pooler, which is small and counted
    unread = [model.get_input_embeddings(), *model.encoder.layer[1:]]
    weights = sum(one.numel() for one in model.parameters())
    weights -= sum(one.numel() for part in unread for one in part.parameters())
    assert compute.tokens == {"reward": 6 + 5}
    assert compute.flops == 2 * weights * 11
    causal = ModelSpec(str(tiny_causal(tmp_path)), layer=2, precision="fp32")
    cut = TextStates(causal)
    blocks = cut.backbone.model.layers
    left = sum(one.numel() for block in list(blocks)[:2] for one in block.parameters())
    assert cut.parameters == left + HIDDEN  # two blocks, and the final norm, which is small and counted though skipped
    assert TextStates(replace(causal, layer=None)).parameters == left // 2 * 3 + HIDDEN


def test_a_saved_classifier_says_the_same(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a")
    loaded = load_classifier(tmp_path / "a")
    assert values(loaded, ANSWERS) == values(fitted, ANSWERS)
    assert (loaded.fit, loaded.read, loaded.states.spec) == (fitted.fit, "whole", fitted.states.spec)
    assert sorted(one.name for one in (tmp_path / "a").iterdir()) == ["head.safetensors", "scorer.json"]


def test_what_is_no_classifier_of_this_model_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    with pytest.raises(FitError, match="holds no fitted scorer"):
        load_classifier(tmp_path)
    fitted.save(tmp_path)
    file = tmp_path / "scorer.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps(facts | {"kind": "value"}))
    with pytest.raises(FitError, match="holds a scorer of the kind 'value'; wanted a classifier"):
        load_classifier(tmp_path)
    other = facts["spec"] | {"model": str(tiny_encoder(tmp_path / "other", seed=1))}
    file.write_text(json.dumps(facts | {"spec": other}))
    with pytest.raises(ModelError, match="was fitted on other weights"):
        load_classifier(tmp_path)


def test_a_causal_model_reads_its_template(tmp_path: Path) -> None:
    spec = ModelSpec(str(tiny_causal(tmp_path)), layer=2, template="review : {text} class :", precision="fp32")
    fitted = fit_classifier(spec, TEXTS[:80], LABELS[:80], settings=SETTINGS, read="answer")
    compute = Compute()
    assert len(set(fitted.values(PROMPTS[:2], [Answer(" good film"), Answer("")], compute))) == 2
    assert compute.tokens == {"reward": 6 + 4}


def test_searching_with_it_raises_it(fitted: Classifier) -> None:
    base = LocalBase(tiny(0))
    best = best_of_n(4, 10)(base, fitted, PROMPTS, 0, Compute())
    plain = sample(10)(base, Indifferent(), PROMPTS, 0, Compute())
    before = fitted.values(PROMPTS, [one.answer for one in plain], Compute())
    assert all(one.score >= old - 1e-5 for one, old in zip(best, before, strict=True))
    assert sum(one.score for one in best) > sum(before) + 0.3


def test_what_cannot_be_fitted_or_read_is_refused(spec: ModelSpec, fitted: Classifier) -> None:
    with pytest.raises(UsageError, match=r"labels are \[0, 2\]; wanted 1"):
        fit_classifier(spec, TEXTS[:4], [0, 2, 0, 2])
    with pytest.raises(UsageError, match="3 labels were given for 4 texts"):
        fit_classifier(spec, TEXTS[:4], [0, 1, 0])
    with pytest.raises(UsageError, match="2 groups were given for 4 texts"):
        fit_classifier(spec, TEXTS[:4], [0, 1, 0, 1], groups=["a", "b"])
    with pytest.raises(UsageError, match=r"held_out is 0\.9"):
        fit_classifier(spec, TEXTS[:4], [0, 1, 0, 1], held_out=0.9)
    with pytest.raises(FitError, match="texts are of one class only"):
        fit_classifier(spec, TEXTS[:20], [1] * 20)
    with pytest.raises(UsageError, match="asked to read 'prompt'"):
        Classifier(fitted.states, fitted.head, "prompt", fitted.fit)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="1 of 2 answers to prompts p0 to p1 are longer than the 64 tokens"):
        fitted.values(PROMPTS[:2], [Answer(" good" * 70), Answer("")], Compute())
