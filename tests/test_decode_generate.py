"""`trimtab generate`: a prompt answered by every method, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from trimtab.cli import run_command
from trimtab.decode.generate import METHODS, Request, generate
from trimtab.errors import ModelError, UsageError


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
