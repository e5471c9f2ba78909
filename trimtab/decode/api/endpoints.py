"""The two ways to let a server go on with an answer, and what its reply holds.

    /v1/completions        prompt = the prompt's text and the answer so far, without a break
    /v1/chat/completions   a user's turn with the prompt; once there is an answer, an assistant's turn with it that is
                           left open: add_generation_prompt = false, continue_final_message = true (vLLM's names)

https://platform.openai.com/docs/api-reference/completions
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.decode.answer import Answer
from trimtab.decode.api.settings import ApiSettings
from trimtab.decode.engine import Ask

_OPEN_TURN = {"add_generation_prompt": False, "continue_final_message": True}
_HALF_A_CHARACTER = "\ufffd"


class UnreadableError(Exception):
    """A reply that does not hold what was asked for; without `advice` another attempt may help."""

    def __init__(self, words: str, advice: str | None = None) -> None:
        super().__init__(words)
        self.words, self.advice = words, advice


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    answers: list[Answer]
    tokens: int | None
    """Tokens that were read, but for those that the server had kept, and written; None where it does not say."""


def request_body(ask: Ask, settings: ApiSettings) -> dict[str, Any]:
    """Return the fields of a request as arguments of the client, those that the API itself lacks in `extra_body`."""
    sampling, extra = ask.sampling, dict(settings.extra)
    if sampling.top_k is not None:
        extra["top_k"] = sampling.top_k
    body = {
        "model": settings.model, "max_tokens": ask.tokens, "n": ask.count, "seed": ask.seed,
        "temperature": sampling.temperature, "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
    }  # fmt: skip
    if settings.kind == "completions":
        return body | {"prompt": ask.prompt.text + ask.answer.text, "extra_body": extra}
    turns = [{"role": "user", "content": ask.prompt.text}]
    if ask.answer.text:
        turns.append({"role": "assistant", "content": ask.answer.text})
        extra |= _OPEN_TURN
    return body | {"messages": turns, "extra_body": extra}


def read_reply(data: object, ask: Ask, settings: ApiSettings) -> Reply:
    """Return what a decoded reply holds. Raises UnreadableError where it is not as the API says."""
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        raise UnreadableError(f"its reply has no list of choices: {_begin(data)}")
    if len(choices) != ask.count:
        raise UnreadableError(
            f"it gave {len(choices)} of {ask.count} continuations", "set per_request to 1, which every server knows"
        )
    ordered = sorted(enumerate(choices), key=lambda one: (_index(one[1], one[0]), one[0]))
    return Reply([_answer(choice, ask, settings.kind) for _, choice in ordered], _tokens(data))


def _index(choice: Mapping[str, Any], place: int) -> int:
    found = choice.get("index")
    return found if isinstance(found, int) else place


def _answer(choice: Mapping[str, Any], ask: Ask, kind: str) -> Answer:
    """Return the answer so far with one continuation; a text that is null is empty."""
    reason = choice.get("finish_reason")
    if reason not in ("stop", "length"):
        raise UnreadableError(
            f"it broke off with finish_reason {reason!r}; wanted stop or length",
            "leave the prompt out, or change the server's filters and tools",
        )
    held = choice.get("message") if kind == "chat" else choice
    name = "content" if kind == "chat" else "text"
    text = held.get(name) if isinstance(held, dict) else held
    if text is not None and not isinstance(text, str):
        raise UnreadableError(f"a choice has no {name}: {_begin(choice)}")
    whole = ask.answer.text + (text or "")
    if reason == "length":
        # the chunk ended inside a character of several tokens: it is written again from its beginning
        whole = whole.rstrip(_HALF_A_CHARACTER)
    return Answer(whole, None, ended=reason == "stop")


def _tokens(data: object) -> int | None:
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    kept = details.get("cached_tokens") if isinstance(details, dict) else 0
    if not isinstance(read, int) or not isinstance(written, int):
        return None
    return read + written - (kept if isinstance(kept, int) else 0)


def _begin(data: object) -> str:
    return repr(data)[:200]
