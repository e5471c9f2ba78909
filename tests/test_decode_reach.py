"""`trimtab generate` with a base model behind a URL: guides stay here, and what needs more than text is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_server import PROMPT_TOKENS, Body, Choice, Draws, Server, model_behind, spelling_model, status
from tiny_models import tiny_causal

from trimtab.cli import run_command
from trimtab.decode.answer import Prompt
from trimtab.decode.generate import METHODS, Request, generate
from trimtab.decode.reach import Place
from trimtab.errors import UsageError

TEXT_METHODS = ["sample", "best_of_n", "cbs", "deal"]
PROMPT = Prompt("0", "the film was ")


@pytest.fixture(autouse=True)
def no_key_or_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> str:
    folders = [tiny_causal(tmp_path_factory.mktemp(f"guide{seed}"), seed=seed) for seed in (1, 2)]
    return ":".join(map(str, folders))


def words(_: str, body: Body) -> list[Choice]:
    return [(f" good {'bad' if body['seed'] % 2 else 'great'}", "length", 2) for _ in range(body["n"])]


@pytest.mark.parametrize("kind", ["completions", "chat"])
@pytest.mark.parametrize("method", TEXT_METHODS)
def test_methods_that_score_text_answer(method: str, kind: str, pair: str) -> None:
    guide = pair if METHODS[method].guide == "pair" else None
    with Server(words) as server:
        settings = {"kind": kind, "attempts": 1}
        request = Request(server.url, method, guide, max_new_tokens=10, model="tiny", base_settings=settings)
        first, second = generate(request, ["the film was", "i really"])
        assert generate(request, ["the film was", "i really"]) == [first, second]
    assert first.text.startswith(" good ")
    assert (first.score is None) == (method == "sample")
    assert first.unpriced == {"base": first.tokens["base"]}
    assert (first.flops > 0) == (method != "sample")  # the guides'
    paths = {path for path, _, _ in server.requests}
    assert paths == {"/v1/completions" if kind == "completions" else "/v1/chat/completions"}


@pytest.mark.parametrize("base", ["http://127.0.0.1:9/v1", "vllm:./large"])
@pytest.mark.parametrize(
    ("method", "needs"), [("eft", "logits"), ("contrastive", "logits"), ("args", "logits"), ("qalign", "tokens")]
)
def test_methods_that_need_more_than_text_are_refused_by_name(method: str, needs: str, base: str) -> None:
    wrong = f"{method} needs the base model's {needs}, which {base} does not give; use sample, best_of_n, cbs, deal, or"
    with pytest.raises(UsageError, match=wrong):
        generate(Request(base, method, "a:b", model="tiny" if base[0] == "h" else None), ["x"])


def test_the_two_kinds_of_methods_are_all_methods() -> None:
    assert [name for name, method in METHODS.items() if method.needs is None] == TEXT_METHODS
    assert set(METHODS) == {*TEXT_METHODS, "eft", "contrastive", "args", "qalign"}


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"base": "smollm2-135m", "model": "x"}, "model 'x' is for a base behind a URL; found base 'smollm2-135m'"),
        ({"base": "smollm2-135m", "settings": {"timeout": 3}}, "timeout is a setting of a base behind a URL"),
        ({"base": "vllm:a", "model": "x"}, "model 'x' is for a base behind a URL"),
    ],
)
def test_settings_of_another_place_are_refused(values: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        Place(**values)


def test_the_command_asks_the_server_and_says_what_it_cost(capsys: pytest.CaptureFixture[str], pair: str) -> None:
    model = spelling_model(0)
    with Server(model_behind(model, Draws([PROMPT], 4, 12))) as server:
        arguments = ["generate", "--base", server.url, "--model", "tiny", "--guide", pair, "--api-kind", "chat"]
        arguments += ["--width", "2", "--samples", "2", "--chunk", "4", "--max-new-tokens", "8", PROMPT.text]
        arguments += ["--base-setting", "per_request=4", "--base-setting", "attempts=1"]
        assert run_command(arguments) == 0
        text = capsys.readouterr().out
        assert run_command([*arguments, "--json", "--base-setting", "parameters=1000"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert found["text"] == text.removesuffix("\n")
    assert found["unpriced"] == {}
    assert found["uncounted"] == 0
    assert found["tokens"]["base"] > PROMPT_TOKENS
    assert {body["n"] for _, _, body in server.requests} <= {4, 2}


def test_a_server_that_refuses_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Server(lambda text, body: status(404, "no model large")) as server:
        arguments = ["generate", "--base", server.url, "--model", "large", "--method", "sample", "hello"]
        assert run_command(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no model large" in captured.err
    assert "Traceback" not in captured.err
    assert run_command(["generate", "--base", "http://127.0.0.1:9/v1", "--method", "sample", "hello"]) == 2
    assert "--model" in capsys.readouterr().err
