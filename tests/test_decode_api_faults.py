"""A server that is slow, full, failing or gone: bounded attempts, one clear error, and a key that nobody sees."""

from __future__ import annotations

import email.utils
import threading
import time
import traceback
from typing import Any

import pytest
from api_server import (
    HANG,
    PROMPT_TOKENS,
    Body,
    Choice,
    Fault,
    Server,
    break_off,
    drop,
    garbage,
    hang_until,
    send,
    status,
)

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.api.base import ApiBase
from trimtab.decode.api.connection import Connection
from trimtab.decode.api.settings import ApiSettings, api_settings
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.errors import ApiError, UsageError

KEY = "sk-a-key-that-nobody-sees"
PROMPTS = [Prompt("p0", "the film was "), Prompt("p1", "i")]


@pytest.fixture(autouse=True)
def a_key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits that are asked for; none of them is waited."""
    found: list[float] = []

    def note(_: Connection, seconds: float, stopped: Any) -> bool:
        found.append(seconds)
        return stopped.is_set()

    monkeypatch.setattr(Connection, "_stopped_within", note)
    return found


def well(_: str, body: Body) -> list[Choice]:
    return [("well", "stop", 1)] * body["n"]


def ask(server: Server, prompts: list[Prompt] = PROMPTS[:1], **settings: Any) -> list[Answer]:
    base = ApiBase(ApiSettings(server.url, "tiny", **settings))
    found = sample(4)(base, Indifferent(), prompts, 0, Compute())
    return [one.answer for one in found]


def refused(server: Server, **settings: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(server, **settings)
    assert caught.value.prompt == "p0"
    assert "answer to prompt p0" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [status(429), status(408), status(500), status(503), drop, break_off, garbage],
    ids=["429", "408", "500", "503", "drop", "break_off", "garbage"],
)
def test_what_may_pass_is_tried_again(fault: Fault, waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [fault, fault]
        assert ask(server) == [Answer("well", None, ended=True)]
    assert len(server.requests) == 3
    assert waits == [1.0, 2.0]
    assert server.requests[0][2] == server.requests[1][2] == server.requests[2][2]


def test_a_time_out_is_tried_again(waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [hang_until(server.closing)]
        begun = time.monotonic()
        assert ask(server, timeout=0.4) == [Answer("well", None, ended=True)]
        assert time.monotonic() - begun < 2.5
    assert len(server.requests) == 2
    assert waits == [1.0]


def test_waits_double_up_to_the_longest_and_attempts_end(waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [status(500, "out of memory")] * 9
        error = refused(server, attempts=6, first_wait=0.5, longest_wait=3.0)
    assert len(server.requests) == 6
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert "was asked 6 times" in str(error)
    assert "it answered 500: 'out of memory'" in str(error)


@pytest.mark.parametrize(("value", "wanted"), [("7", 7.0), ("0.25", 0.25), ("0", 0.0), ("soon", 1.0), ("nan", 1.0)])
def test_a_server_says_how_long_to_wait(value: str, wanted: float, waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [status(429, headers={"Retry-After": value})]
        assert ask(server)[0].text == "well"
    assert waits == [wanted]


def test_a_server_may_name_a_date(waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [status(503, headers={"Retry-After": email.utils.formatdate(time.time() + 20, usegmt=True)})]
        assert ask(server)[0].text == "well"
    assert waits == [pytest.approx(20, abs=3)]


def test_a_server_that_asks_for_too_long_a_wait_is_given_up(waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [status(429, "slow down", {"Retry-After": "3600"})]
        error = refused(server, longest_wait=30.0)
    assert len(server.requests) == 1
    assert not waits
    assert "it asks to wait 3600 s" in str(error)
    assert "longest_wait" in str(error)


@pytest.mark.parametrize(
    ("fault", "said", "advice"),
    [
        (status(400, "this model's context is 64 tokens"), "answered 400: \"this model's context", "what the server"),
        (status(401, "bad key"), "answered 401: 'bad key'", "check the key in OPENAI_API_KEY"),
        (status(403, "not yours"), "answered 403: 'not yours'", "what it allows"),
        (status(404, "no model tiny"), "answered 404: 'no model tiny'", "check the URL and the name"),
        (status(422, "no such field"), "answered 422: 'no such field'", "what the server says"),
        (status(429, "pay", code="insufficient_quota"), "answered 429: 'pay'", "see to the account"),
        (lambda handler: send(handler, 404, b"<h1>nothing</h1>"), "answered 404: '<h1>nothing</h1>'", "check the URL"),
        (lambda handler: send(handler, 400, {"detail": "odd"}), "answered 400: 'odd'", "what the server says"),
    ],
)
def test_a_refusal_is_final_and_in_the_servers_words(fault: Fault, said: str, advice: str, waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [fault] * 3
        error = refused(server)
    assert len(server.requests) == 1
    assert not waits
    assert said in str(error)
    assert advice in str(error)
    assert "was asked once" in str(error)


@pytest.mark.parametrize(
    ("reply", "requests", "said"),
    [
        ({"choices": []}, 1, "it gave 0 of 1 continuations; set per_request to 1"),
        ({"choices": [{"text": "x", "finish_reason": "content_filter"}]}, 1, "finish_reason 'content_filter'"),
        ({"choices": [{"text": "x"}]}, 1, "finish_reason None"),
        ({"choices": [{"text": 5, "finish_reason": "stop"}]}, 3, "a choice has no text"),
        ({"choices": ["x"]}, 3, "no list of choices"),
        ({"error": "later"}, 3, "no list of choices: {'error': 'later'}"),
        ([1], 3, "no list of choices: [1]"),
        (b"{", 3, "its reply is no JSON: '{'"),
    ],
)
def test_a_reply_that_is_none_is_named(reply: object, requests: int, said: str, waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [lambda handler: send(handler, 200, reply)] * 3
        error = refused(server, attempts=3)
    assert len(server.requests) == requests
    assert said in str(error)


def test_a_chat_reply_without_a_message_is_named(waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [lambda handler: send(handler, 200, {"choices": [{"text": "x", "finish_reason": "stop"}]})]
        assert ask(server, kind="chat")[0] == Answer("", None, ended=True)
        server.faults = [
            lambda handler: send(handler, 200, {"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]})
        ]
        assert "a choice has no content" in str(refused(server, kind="chat", attempts=1))


@pytest.mark.parametrize("kind", ["drop", "nobody", "hang"])
def test_a_server_out_of_reach_is_one_error(kind: str, waits: list[float]) -> None:
    with Server(well) as server:
        server.faults = [hang_until(server.closing) if kind == "hang" else drop] * 2
        if kind != "nobody":
            error = refused(server, attempts=2, timeout=0.3)
    if kind == "nobody":  # the server has gone
        error = refused(server, attempts=2)
    said = {"drop": "the connection failed (", "nobody": "the connection failed (", "hang": "no word for 0.3 s"}[kind]
    assert said in str(error)
    assert "was asked 2 times" in str(error)
    assert waits == [1.0]


def test_fewer_continuations_than_asked_for_are_refused() -> None:
    with Server(lambda _, body: [("x", "stop", 1)]) as server, pytest.raises(ApiError, match="1 of 3 continuations"):
        base = ApiBase(ApiSettings(server.url, "tiny", per_request=3))
        best_of_n(3, 4)(base, Indifferent(), PROMPTS[:1], 0, Compute())


def test_one_prompt_that_fails_ends_its_batch_names_itself_and_leaves_earlier_ones() -> None:
    def answer(text: str, body: Body) -> list[Choice] | Fault:
        return status(400, "too bad") if text == "bad" else [("x", "stop", 1)]

    batches = [[Prompt("a", "one")], [Prompt("b", "two"), Prompt("c", "bad"), Prompt("d", "four")], [Prompt("e", "5")]]
    kept, compute = [], Compute()
    with Server(answer) as server:
        base = ApiBase(ApiSettings(server.url, "tiny", in_flight=1))
        with pytest.raises(ApiError, match="too bad") as caught:
            for batch in batches:
                kept += ChunkBeam(1, 1, 2, max_new_tokens=4)(base, Indifferent(), batch, 0, compute)
    assert caught.value.prompt == "c"
    assert [one.answer.text for one in kept] == ["x"]
    asked = [body["prompt"] for _, _, body in server.requests]
    assert asked in (["one", "two", "bad"], ["one", "two", "bad", "four"])  # the last may have been on its way
    assert compute.tokens["base"] == (PROMPT_TOKENS + 1) * (len(asked) - 1)  # what came back is counted


def test_the_others_wait_no_longer_once_one_has_failed() -> None:
    """One request is told to wait for 50 seconds; another is refused meanwhile."""
    told = threading.Event()

    def answer(text: str, body: Body) -> list[Choice] | Fault:
        if text == "wait":
            told.set()
            return status(429, "later", {"Retry-After": "50"})
        told.wait(HANG)
        time.sleep(0.2)  # so that the other one has begun to wait
        return status(400, "never")

    begun = time.monotonic()
    with Server(answer) as server, pytest.raises(ApiError, match="answer to prompt r: it answered 400: 'never'"):
        ask(server, [Prompt("w", "wait"), Prompt("r", "refuse")], in_flight=2)
    assert time.monotonic() - begun < 20
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [400, 401, 500, 200])
def test_the_key_is_in_no_error(code: int, waits: list[float]) -> None:
    """A server that repeats the key, in whichever reply, also where the message cuts it."""
    with Server(well) as server:
        for length in (0, 180, 195, 290):
            message = "x" * length + f" {KEY}."
            faults: list[Fault] = [
                status(code, message),
                lambda handler, message=message: send(handler, code, message.encode()),
                lambda handler, message=message: send(handler, code, {"choices": message}),
            ]
            for fault in faults:
                server.faults = [fault]
                error = refused(server, attempts=1)
                assert KEY[:6] not in "".join(traceback.format_exception(error))
                assert KEY[:6] not in repr(error) + repr(vars(error))
                assert error.__context__ is None and error.__cause__ is None
                assert length or "[key]" in str(error)


def test_keys_are_checked_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ApiSettings("http://127.0.0.1:9/v1", "tiny", key_variable="SERVER_KEY")
    with pytest.raises(UsageError, match="SERVER_KEY holds no key"):
        settings.key()
    monkeypatch.setenv("SERVER_KEY", "sk-\u2026")
    with pytest.raises(UsageError, match="characters that no header may have") as caught:
        settings.key()
    assert "sk-" not in str(caught.value)
    monkeypatch.setenv("SERVER_KEY", f" {KEY}\n")
    assert settings.key() == KEY
    assert KEY not in repr(settings)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ApiSettings("http://127.0.0.1:9/v1", "tiny").key() is None


def test_settings_by_name() -> None:
    found = api_settings("http://h/v1", "m", {"timeout": 3, "extra": {"min_p": 0.1}})
    assert (found.timeout, found.extra) == (3, {"min_p": 0.1})
    with pytest.raises(UsageError, match=r"no setting 'time_out'\. Did you mean \"timeout\""):
        api_settings("http://h/v1", "m", {"time_out": 3})
    with pytest.raises(UsageError, match="value of the wrong kind"):
        api_settings("http://h/v1", "m", {"attempts": "many"})
    with pytest.raises(UsageError, match="name it as the server does, with --model"):
        api_settings("http://h/v1", None, {})


def test_the_client_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(UsageError, match=r'pip install "trimtab\[api\]"'):
        ApiBase(ApiSettings("http://127.0.0.1:9/v1", "tiny"))
