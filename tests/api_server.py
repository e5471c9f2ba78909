"""An OpenAI-compatible server on this machine for tests: a tiny model, or a script, and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.draws import request_seed, uniforms
from trimtab.decode.language_model import LanguageModel, of_parts
from trimtab.decode.sampling import Sampling
from trimtab.decode.sequences import Sequences
from trimtab.decode.write import write

ALPHABET = ["[EOS]", *"abcdefghijklmnopqrstuvwxyz \n.,"]
HANG = 3.0
"""Longest time in seconds that a request is left without an answer."""

PROMPT_TOKENS = 13
"""What the server says of every prompt."""

Choice = tuple[str | None, str, int]
"""Text, why it ended, and its tokens."""
Body = Mapping[str, Any]
Fault = Callable[[BaseHTTPRequestHandler], None]


def spelling_model(seed: int) -> LanguageModel:
    """Return a random model of letters whose texts can be taken apart and put together again without a loss."""
    import torch

    torch.manual_seed(seed)
    inner = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(ALPHABET)}, unk_token="[EOS]"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="[EOS]", model_max_length=256)
    config = LlamaConfig(
        vocab_size=len(ALPHABET), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, initializer_range=0.5, bos_token_id=None, eos_token_id=0,
        pad_token_id=None,
    )  # fmt: skip
    return of_parts(LlamaForCausalLM(config), tokenizer, f"spelling{seed}")


class Draws:
    """The random numbers of `LocalBase` by the seed of a request, so that both write the same."""

    def __init__(self, prompts: Sequence[Prompt], samples: int, room: int, seed: int = 0) -> None:
        self.seed, self.room = seed, room
        self.named = {
            request_seed(seed, prompt.id, sample, step): (prompt.id, sample, step)
            for prompt in prompts
            for sample in range(samples)
            for step in range(room)
        }

    def numbers(self, request: int, child: int, tokens: int) -> np.ndarray:
        """Return the numbers of one of a request's children, of which the n-th belongs to the n-th next sample."""
        prompt, sample, step = self.named[request]
        return uniforms(self.seed, prompt, sample + child, self.room)[step : step + tokens]


def continuation(
    model: LanguageModel, draws: Draws, ids: list[int], sampling: Sampling, seed: int, child: int, tokens: int
) -> list[int]:
    """Return tokens that follow others."""
    numbers = np.zeros(tokens) if sampling.temperature == 0 else draws.numbers(seed, child, tokens)
    rows = Sequences(model, [ids], Compute(), "base")
    chunks, _ = write(rows, numbers.reshape(1, -1), sampling, model.end_ids)
    return chunks[0]


def model_behind(model: LanguageModel, draws: Draws) -> Callable[[str, Body], list[Choice]]:
    """Return what answers requests with a model's own continuations."""
    lock = threading.Lock()

    def answer(text: str, body: Body) -> list[Choice]:
        sampling = Sampling(body["temperature"], body.get("top_k"), body["top_p"])
        found: list[Choice] = []
        with lock:
            for child in range(body["n"]):
                ids = model.prompt_ids(text, "plain")
                chunk = continuation(model, draws, ids, sampling, body["seed"], child, body["max_tokens"])
                ended = chunk[-1] in model.end_ids
                found.append((model.answer_text(chunk), "stop" if ended else "length", len(chunk)))
        return found

    return answer


class Server:
    """A server until the end of a `with` block. `answer` gets the text so far and the request's fields, and
    gives choices or a fault."""

    def __init__(
        self, answer: Callable[[str, Body], list[Choice] | Fault], usage: bool = True, cached: int = 0
    ) -> None:
        self.answer, self.usage, self.cached = answer, usage, cached
        self.faults: list[Fault | None] = []
        """What the next requests meet, in the order in which they come; None is an answer."""
        self.requests: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        """Path, headers and fields of each request."""
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Server:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 2 * HANG

            def do_POST(self) -> None:
                server.take(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=HANG)

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            self.requests.append((handler.path, dict(handler.headers), body))
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            fault(handler)
            return
        chat = handler.path == "/v1/chat/completions"
        found = self.answer(_conversation(body) if chat else body["prompt"], body)
        if callable(found):
            found(handler)
            return
        choices = [
            {"index": place, "finish_reason": reason}
            | ({"message": {"role": "assistant", "content": words}} if chat else {"text": words})
            for place, (words, reason, _) in enumerate(found)
        ]
        reply: dict[str, Any] = {"model": body["model"], "choices": choices[::-1]}
        if self.usage:
            written = sum(tokens for _, _, tokens in found)
            reply["usage"] = {
                "prompt_tokens": PROMPT_TOKENS, "completion_tokens": written, "total_tokens": PROMPT_TOKENS + written,
                "prompt_tokens_details": {"cached_tokens": self.cached},
            }  # fmt: skip
        send(handler, 200, reply)


def _conversation(body: Body) -> str:
    """Return the text of a chat whose template adds nothing."""
    turns = body["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"][: len(turns)]
    open_turn = (body.get("add_generation_prompt", True), body.get("continue_final_message", False))
    assert open_turn == ((False, True) if len(turns) == 2 else (True, False))
    return "".join(turn["content"] for turn in turns)


def send(handler: BaseHTTPRequestHandler, status: int, reply: object, headers: Mapping[str, str] | None = None) -> None:
    """Send a reply: bytes as they are, anything else as JSON."""
    data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    handler.send_response(status)
    common = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    for name, value in (common | dict(headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def status(number: int, message: str = "no", headers: Mapping[str, str] | None = None, **more: object) -> Fault:
    """Return a fault that answers with an error, as such servers do."""
    return lambda handler: send(handler, number, {"error": {"message": message, "type": "t", **more}}, headers)


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True
    handler.connection.shutdown(2)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection in the middle of a reply."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def garbage(handler: BaseHTTPRequestHandler) -> None:
    """Answer with what is no JSON."""
    send(handler, 200, b"<html>busy</html>")


def hang_until(closing: threading.Event) -> Fault:
    """Return a fault that says nothing, for a bounded time."""

    def hang(handler: BaseHTTPRequestHandler) -> None:
        closing.wait(HANG)
        handler.close_connection = True

    return hang


def slowly(answer: Callable[[str, Body], list[Choice]]) -> Callable[[str, Body], list[Choice]]:
    """Return the same answers, each after some milliseconds that depend on the seed."""

    def later(text: str, body: Body) -> list[Choice]:
        time.sleep(body["seed"] % 7 * 0.005)
        return answer(text, body)

    return later
