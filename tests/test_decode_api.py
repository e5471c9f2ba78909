"""A base model behind an OpenAI-compatible API: the same answers as in this process, and requests that say it all."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import PROMPT_TOKENS, Body, Choice, Draws, Server, model_behind, slowly, spelling_model
from decode_models import letters

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.api.base import ApiBase
from trimtab.decode.api.settings import ApiSettings
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.decode.deal import Deal
from trimtab.decode.draws import request_seed
from trimtab.decode.qalign import QAlign
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.scorers.scorer import TextScorer
from trimtab.errors import UsageError

BASE = spelling_model(0)
PAIR = LogRatio(letters(3), letters(4), None, "plain")
PROMPTS = [Prompt("p0", "the film was "), Prompt("p1", "i"), Prompt("p2", "so\n")]
LONG = TextScorer(lambda prompts, answers: [float(len(one)) for one in answers], "length")


@pytest.fixture(autouse=True)
def no_key_or_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def api(server: Server, **settings: Any) -> ApiBase:
    return ApiBase(ApiSettings(server.url, "tiny", **{"attempts": 1} | settings))


def always(text: str | None, reason: str = "length") -> Any:
    """Return what answers every request with the same text."""
    return lambda _, body: [(text, reason, 1)] * body["n"]


@pytest.mark.parametrize("kind", ["completions", "chat"])
@pytest.mark.parametrize(
    ("method", "per_request"),
    [
        (sample(12), 1),
        (best_of_n(4, 12), 1),
        (best_of_n(4, 12), 3),
        (ChunkBeam(2, 2, 3, max_new_tokens=12), 1),
        (ChunkBeam(2, 2, 5, "pool", max_new_tokens=12, sampling=Sampling(0.8, 20, 0.9)), 4),
        (Deal(1, 3, 4, look_ahead=6, max_new_tokens=12), 2),
        (ChunkBeam(2, 2, 3, max_new_tokens=9, sampling=Sampling(temperature=0)), 4),
    ],
)
def test_every_search_gives_the_answers_of_the_same_model_in_this_process(
    method: Any, per_request: int, kind: str
) -> None:
    here = method(LocalBase(BASE), PAIR, PROMPTS, 0, Compute())
    with Server(model_behind(BASE, Draws(PROMPTS, 8, 12))) as server:
        base = api(server, kind=kind, per_request=per_request)
        there = method(base, PAIR, PROMPTS, 0, Compute())
    assert [one.answer.text for one in there] == [one.answer.text for one in here]
    assert [one.answer.ended for one in there] == [one.answer.ended for one in here]
    assert [one.score for one in there] == pytest.approx([one.score for one in here], abs=1e-4)
    assert all(one.answer.ids is None for one in there)


def test_the_comparison_sees_ended_and_unfinished_answers() -> None:
    found = best_of_n(4, 12)(LocalBase(BASE), LONG, PROMPTS, 0, Compute())
    shorter = TextScorer(lambda prompts, answers: [-float(len(one)) for one in answers], "short")
    found += best_of_n(4, 12)(LocalBase(BASE), shorter, PROMPTS, 0, Compute())
    assert {one.answer.ended for one in found} == {True, False}


def test_a_request_says_all_that_was_asked_for_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    monkeypatch.setenv("OTHER_KEY", "sk-two\n")
    with Server(always("x")) as server:
        sample(7)(api(server), Indifferent(), PROMPTS[:1], 3, Compute())
        sampled = sample(7, Sampling(0.5, 9, 0.8))
        sampled(api(server, key_variable="OTHER_KEY", extra={"min_p": 0.1}), Indifferent(), PROMPTS[:1], 3, Compute())
    common = {
        "model": "tiny", "prompt": "the film was ", "max_tokens": 7, "n": 1, "seed": request_seed(3, "p0", 0, 0)
    }  # fmt: skip
    assert [body for _, _, body in server.requests] == [
        common | {"temperature": 1.0, "top_p": 1.0},
        common | {"temperature": 0.5, "top_p": 0.8, "top_k": 9, "min_p": 0.1},
    ]
    assert [headers["authorization"] for _, headers, _ in map(lowered, server.requests)] == [
        "Bearer sk-one", "Bearer sk-two",
    ]  # fmt: skip


def lowered(request: tuple[str, Any, Any]) -> tuple[str, dict[str, str], Any]:
    path, headers, body = request
    return path, {name.lower(): value for name, value in headers.items()}, body


@pytest.mark.parametrize(("per_request", "wanted"), [(1, [1] * 18), (4, [4, 2, 3, 3, 3, 3]), (9, [6, 3, 3, 3, 3])])
def test_children_of_one_parent_share_requests(per_request: int, wanted: list[int]) -> None:
    """CBS(2, 3, L) over three rounds: six children of the prompt, then three of each of two."""
    with Server(numbered()) as server:
        base = api(server, per_request=per_request, in_flight=1)
        ChunkBeam(2, 3, 3, max_new_tokens=9)(base, LONG, PROMPTS[:1], 0, Compute())
    assert [body["n"] for _, _, body in server.requests] == wanted
    seeds = [body["seed"] for _, _, body in server.requests]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == request_seed(0, "p0", 0, 0)
    assert seeds[-1] == request_seed(0, "p0", 6 - wanted[-1], 6)


def numbered() -> Any:
    """Return what answers with the child's number, so that no two of one request are equal."""
    return lambda _, body: [(str(child), "length", 1) for child in range(body["n"])]


@pytest.mark.parametrize("kind", ["completions", "chat"])
def test_an_answer_goes_on_exactly_where_it_stopped(kind: str) -> None:
    """Spaces and breaks at both ends of every chunk are sent back as they came."""
    chunks = {"": " \n a ", " \n a ": "\t", " \n a \t": " b\n\n"}
    seen = []

    def answer(text: str, body: Body) -> list[Choice]:
        seen.append(text.removeprefix(" q "))
        return [(chunks[seen[-1]], "length", 2)]

    with Server(answer) as server:
        method = ChunkBeam(1, 1, 2, max_new_tokens=6)
        (found,) = method(api(server, kind=kind), Indifferent(), [Prompt("p", " q ")], 0, Compute())
    assert seen == list(chunks)
    assert found.answer == Answer(" \n a \t b\n\n", None, ended=False)


def test_half_a_character_is_written_again_and_a_whole_one_is_kept() -> None:
    replies = {"": ("ab\ufffd", "length"), "ab": ("é\ufffd", "stop")}
    with Server(lambda text, body: [(*replies[text], 2)]) as server:
        method = ChunkBeam(1, 1, 2, max_new_tokens=4)
        (found,) = method(api(server), Indifferent(), [Prompt("p", "")], 0, Compute())
    assert found.answer == Answer("abé\ufffd", None, ended=True)


@pytest.mark.parametrize("kind", ["completions", "chat"])
@pytest.mark.parametrize("text", ["", None])
def test_an_empty_answer_is_an_answer(text: str | None, kind: str) -> None:
    with Server(always(text, "stop")) as server:
        (found,) = best_of_n(2, 4)(api(server, kind=kind), PAIR, PROMPTS[:1], 0, Compute())
    assert found.answer == Answer("", None, ended=True)
    wanted = end_log_probability(letters(3), PROMPTS[0].text) - end_log_probability(letters(4), PROMPTS[0].text)
    assert found.score == pytest.approx(wanted, abs=1e-4)


def end_log_probability(model: Any, text: str) -> float:
    from decode_models import log_probability

    return log_probability(model, model.prompt_ids(text, "plain"), [model.end_id])


def test_an_empty_chunk_is_asked_for_again_until_there_is_no_room() -> None:
    with Server(always("", "length")) as server:
        (found,) = ChunkBeam(1, 1, 2, max_new_tokens=6)(api(server), PAIR, PROMPTS[:1], 0, Compute())
    assert found.answer == Answer("", None, ended=False)
    assert len(server.requests) == 3


def test_equal_prompts_do_not_mix_up() -> None:
    """Every answer names the seed of its request; replies come in another order than the requests."""
    prompts = [Prompt(f"p{number}", "the same") for number in range(6)]
    answer = slowly(lambda _, body: [(f"{body['seed']} ", "length", 1)])
    with Server(answer) as server:
        found = ChunkBeam(1, 1, 2, max_new_tokens=4)(api(server), Indifferent(), prompts, 5, Compute())
    wanted = [f"{request_seed(5, one.id, 0, 0)} {request_seed(5, one.id, 0, 2)} " for one in prompts]
    assert [one.answer.text for one in found] == wanted
    assert len(set(wanted)) == 6


def test_no_more_requests_are_under_way_than_allowed() -> None:
    import threading
    import time

    lock, under_way, most = threading.Lock(), [0], [0]

    def answer(_: str, body: Body) -> list[Choice]:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.03)
        with lock:
            under_way[0] -= 1
        return [("x", "stop", 1)]

    with Server(answer) as server:
        best_of_n(12, 4)(api(server, in_flight=3), LONG, PROMPTS[:1], 0, Compute())
    assert most[0] == 3


@pytest.mark.parametrize(
    ("parameters", "usage", "wanted"),
    [
        (None, True, Compute({"base": 3 * (PROMPT_TOKENS - 4 + 1)}, 0.0, {"base": 3 * (PROMPT_TOKENS - 4 + 1)}, 0)),
        (1000, True, Compute({"base": 30}, 2.0 * 1000 * 30, {}, 0)),
        (1000, False, Compute({}, 0.0, {}, 3)),
    ],
)
def test_tokens_are_what_the_server_says_and_flops_are_not_made_up(
    parameters: int | None, usage: bool, wanted: Compute
) -> None:
    """Three requests of 13 prompt tokens, four of them kept by the server, and one new token."""
    compute = Compute()
    with Server(always("x"), usage, cached=4) as server:
        best_of_n(3, 4)(api(server, parameters=parameters), LONG, PROMPTS[:1], 0, compute)
    assert compute == wanted


def test_qalign_refuses_a_black_box() -> None:
    with Server(always("x")) as server, pytest.raises(UsageError, match="qalign needs a base model's own tokens"):
        QAlign(2)(api(server), LONG, PROMPTS, 0, Compute())  # pyright: ignore[reportArgumentType]
    assert not server.requests


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"url": "localhost:8000/v1"}, "wanted one like http"),
        ({"url": "http://me:secret@host/v1"}, "holds a user name or a password"),
        ({"model": ""}, "needs the name of a model"),
        ({"kind": "responses"}, 'kind is \'responses\'; wanted "completions" or "chat"'),
        ({"per_request": 0}, "per_request is 0"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"attempts": 0}, "attempts is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"first_wait": 2.0, "longest_wait": 1.0}, "longest_wait 1.0"),
        ({"parameters": 0}, "parameters is 0"),
        ({"extra": {"temperature": 0.1}}, "extra sets temperature"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong) as caught:
        ApiSettings(**({"url": "http://h/v1", "model": "m"} | settings))
    assert "secret" not in str(caught.value)
