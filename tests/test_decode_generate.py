"""`trimtab generate`: a prompt answered by every method, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import LlamaForSequenceClassification

from trimtab.cli import run_command
from trimtab.decode.generate import METHODS, Request, generate
from trimtab.errors import ModelError, UsageError


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(7)
    config = tiny_llama().config
    config.num_labels = 1
    folder = tmp_path_factory.mktemp("reward")
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tiny_tokenizer(encoder=False).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    places = {}
    for seed, name in enumerate(("base", "tuned", "untuned")):
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp(name)
        tiny_llama().save_pretrained(folder)
        tiny_tokenizer(encoder=False).save_pretrained(folder)
        places[name] = str(folder)
    return places


def guide_of(models: dict[str, str], method: str) -> str | None:
    pair = f"{models['tuned']}:{models['untuned']}"
    return {"pair": pair, "amateur": models["untuned"], "none": None}[METHODS[method].guide]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_and_says_what_it_cost(models: dict[str, str], method: str) -> None:
    settings = {"steps": 3} if method == "qalign" else {}
    request = Request(models["base"], method, guide_of(models, method), max_new_tokens=6, settings=settings)
    first, second = generate(request, ["the film was", "i really"])
    assert first.text
    assert second.text
    assert (first.score is None) == (method in ("sample", "eft", "contrastive", "args"))
    assert set(first.tokens) == ({"base"} if method == "sample" else {"base", "guide"})
    assert first.flops > 0
    assert generate(request, ["the film was", "i really"])[0] == first


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if one.scores])
def test_a_reward_model_takes_the_place_of_a_guide_pair(models: dict[str, str], reward: str, method: str) -> None:
    settings = {"steps": 3} if method == "qalign" else {}
    request = Request(models["base"], method, max_new_tokens=6, settings=settings, reward=reward)
    (found,) = generate(request, ["the film was"])
    assert set(found.tokens) == {"base", "reward"}
    assert generate(replace(request, reward=None, cost=reward), ["the film was"]) != [found]


def test_the_best_by_reward_has_the_least_cost_turned_round(models: dict[str, str], reward: str) -> None:
    """A negative weight turns a cost into a reward, and a reward of weight 2 is two rewards."""
    rewarded = Request(models["base"], "best_of_n", max_new_tokens=6, reward=reward, settings={"samples": 8})
    cost = replace(rewarded, reward=None, cost=reward, weights=[-1.0])
    twice, doubled = replace(rewarded, reward=[reward, reward]), replace(rewarded, weights=[2.0])
    (first,), (second,), (third,), (fourth,) = (
        generate(one, ["the film was"]) for one in (rewarded, cost, twice, doubled)
    )
    assert (first.text, first.score) == (second.text, second.score)
    assert third.score == pytest.approx(fourth.score)
    assert first.score is not None and third.score == pytest.approx(2 * first.score)
    cheap = generate(replace(rewarded, reward=None, cost=reward), ["the film was"])[0]
    assert cheap.score is not None and -cheap.score < first.score


def test_several_pairs_have_weights_of_their_own(models: dict[str, str]) -> None:
    one, other = f"{models['tuned']}:{models['untuned']}", f"{models['base']}:{models['untuned']}"
    for method in ("eft", "cbs"):
        both = Request(models["base"], method, [one, other], max_new_tokens=6, weights=[0.7, 0.0])
        alone = Request(models["base"], method, one, max_new_tokens=6, weights=[0.7])
        twice = Request(models["base"], method, [one, one], max_new_tokens=6, weights=[0.5, 0.2])
        found = [generate(request, ["the film was", "i"]) for request in (both, alone, twice)]
        texts = [[answer.text for answer in answers] for answers in found]
        assert texts[0] == texts[1] == texts[2]
    old = Request(models["base"], "eft", one, max_new_tokens=6, settings={"weight": 0.7})
    assert [answer.text for answer in generate(old, ["the film was", "i"])] == [
        answer.text
        for answer in generate(
            Request(models["base"], "eft", [one], max_new_tokens=6, weights=[0.7]), ["the film was", "i"]
        )
    ]


def test_options_of_the_command_may_be_repeated(
    models: dict[str, str], reward: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = f"{models['tuned']}:{models['untuned']}"
    begun = ["generate", "--base", models["base"], "--max-new-tokens", "5", "--json", "the film was"]
    guided = ["--guide", pair, "--guide", pair, "--weight", "1.0", "--weight", "0.5"]
    assert run_command([*begun, "--method", "eft", *guided]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"]["guide"] > 0
    steered = ["--guide", pair, "--reward", reward, "--cost", reward, "--weight", "1", "--weight", "2", "--weight", "2"]
    assert run_command([*begun, "--method", "cbs", "--samples", "2", "--width", "1", *steered]) == 0
    mixed = json.loads(capsys.readouterr().out)
    assert run_command([*begun, "--method", "cbs", "--samples", "2", "--width", "1", "--guide", pair]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert set(mixed["tokens"]) == {"base", "guide", "reward"}
    assert mixed["text"] == plain["text"]  # a reward and a cost by the same model cancel
    assert mixed["score"] == pytest.approx(plain["score"], abs=1e-5)
    assert run_command([*begun, "--method", "eft", *guided, "--weight", "1"]) == 2
    assert "for 2 guides, 0 rewards and 0 costs" in capsys.readouterr().err


def test_the_command_prints_text_or_json(models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--base", models["base"], "--guide", guide_of(models, "cbs") or "", "--method", "cbs"]
    arguments += ["--width", "2", "--samples", "2", "--chunk", "3", "--max-new-tokens", "6", "the film was"]
    assert run_command(arguments) == 0
    text = capsys.readouterr().out.strip()
    assert run_command([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == text
    assert found["tokens"]["guide"] > 0


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"method": "beam"}, "no decode-time method is called 'beam'"),
        ({"settings": {"beta": 2}}, "cbs has no setting beta; it has width, samples, chunk, finished"),
        ({"guide": None}, "cbs wants a guide pair, TUNED:UNTUNED; found none"),
        ({"guide": "minilm-l6"}, "cbs wants a guide pair, TUNED:UNTUNED; found minilm-l6"),
        ({"method": "sample"}, "sample wants no guide"),
        ({"guide": ["a:b", "c"]}, "cbs wants a guide pair, TUNED:UNTUNED; found a:b and c"),
        ({"weights": [1.0, 2.0]}, r"the weights are \[1.0, 2.0\] for 1 guides, 0 rewards and 0 costs"),
        ({"weights": [float("nan")]}, "one finite number each"),
        ({"method": "eft", "reward": "x"}, "eft cannot use a reward or cost model; these can: best_of_n, cbs"),
        ({"method": "eft", "weights": [1.0], "settings": {"weight": 1.0}}, "wanted one or the other"),
        ({"method": "contrastive", "guide": "a:b"}, "contrastive wants one model, the amateur; found a:b"),
        ({"method": "contrastive", "guide": "a", "weights": [1.0]}, "contrastive has no weights; it has alpha, beta"),
        ({"form": "html"}, "format is 'html'"),
        ({"sampling": {"top_p": 2}}, "top_p is 2"),
        ({"settings": {"width": 0}}, "width is 0"),
        ({"settings": {"chunk": 64}}, "chunk is 64"),
        ({"form": "chat"}, "no chat template"),
        ({"max_new_tokens": 70}, "reads 64"),
    ],
)
def test_what_cannot_be_asked_is_one_message(models: dict[str, str], changes: dict[str, object], wrong: str) -> None:
    values = {"method": "cbs", "guide": guide_of(models, "cbs"), "max_new_tokens": 6} | changes
    with pytest.raises(UsageError, match=wrong):
        generate(Request(models["base"], **values), ["the film was"])  # pyright: ignore[reportArgumentType]


def test_an_encoder_cannot_write(tmp_path: Path) -> None:
    from tiny_models import tiny_bert

    tiny_bert().save_pretrained(tmp_path)
    tiny_tokenizer(encoder=True).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is an encoder, which writes nothing"):
        generate(Request(str(tmp_path)), ["the film was"])
