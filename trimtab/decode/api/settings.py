"""Where a server is and how it is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from trimtab.errors import UsageError, did_you_mean

_OURS = ("model", "prompt", "messages", "max_tokens", "n", "temperature", "top_p", "top_k", "seed", "stream")
_DEFAULT_KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class ApiSettings:
    """A server and its limits. Raises UsageError for a value out of range."""

    url: str
    """Up to the version: http://localhost:8000/v1."""
    model: str
    """The server's name of the model."""
    kind: Literal["completions", "chat"] = "completions"
    """How an answer goes on: "completions" sends prompt and answer as one text; "chat" sends the prompt as a user's
    turn and the answer as the assistant's, left open (`continue_final_message`)."""
    key_variable: str = _DEFAULT_KEY
    """Environment variable that holds the key. The default may be absent: then none is sent."""
    per_request: int = 1
    """How many continuations of one beginning are asked for at once (`n`). They share a seed."""
    in_flight: int = 8
    """How many requests are under way at once."""
    timeout: float = 60.0
    """Seconds without a word from the server before a request is given up."""
    attempts: int = 5
    """How often a request is tried in all, where the server is slow, full, failing or out of reach."""
    first_wait: float = 1.0
    """Seconds before the second attempt; doubled before each further one."""
    longest_wait: float = 60.0
    """Seconds of a wait at most. A server that asks for more (Retry-After) is given up."""
    parameters: int | None = None
    """The model's weights, where you know them: FLOPs are counted with them, and left out without."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are put into every request as they are, such as a server's own sampling settings."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"the API's URL is {self.url!r}; wanted one like http://localhost:8000/v1")
        if parts.username or parts.password:
            raise UsageError(
                f"the API's URL for {parts.hostname} holds a user name or a password; leave it out and name an "
                "environment variable that holds the key (key_variable)"
            )
        if not self.model:
            raise UsageError(f"the API at {self.url} needs the name of a model; see {self.url.rstrip('/')}/models")
        if self.kind not in ("completions", "chat"):
            raise UsageError(f'kind is {self.kind!r}; wanted "completions" or "chat"')
        for name in ("per_request", "in_flight", "attempts"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted 1 or more")
        if not self.timeout > 0 or not 0 <= self.first_wait <= self.longest_wait:
            raise UsageError(
                f"timeout is {self.timeout}, first_wait {self.first_wait} and longest_wait {self.longest_wait}; wanted "
                "more than 0, and 0 <= first_wait <= longest_wait"
            )
        if self.parameters is not None and self.parameters < 1:
            raise UsageError(f"parameters is {self.parameters}; wanted the number of weights, or none")
        taken = [name for name in self.extra if name in _OURS]
        if taken:
            raise UsageError(f"extra sets {taken[0]}, which is set by what is asked for; leave it out")

    def key(self) -> str | None:
        """Return the key, None where there is none. Raises UsageError where a variable that was named holds none."""
        found = os.environ.get(self.key_variable, "").strip()
        if not found and self.key_variable != _DEFAULT_KEY:
            raise UsageError(f"the environment variable {self.key_variable} holds no key for {self.url}; set it")
        if not found.isascii() or not found.isprintable():
            raise UsageError(f"the key in {self.key_variable} has characters that no header may have; set it anew")
        return found or None


def api_settings(url: str, model: str | None, values: Mapping[str, Any]) -> ApiSettings:
    """Return settings from their names and values. Raises UsageError for an unknown name or a wrong value."""
    if model is None:
        raise UsageError(f"the base model is behind {url}; name it as the server does, with --model")
    known = [one.name for one in fields(ApiSettings) if one.name not in ("url", "model")]
    for name in values:
        if name not in known:
            raise UsageError(f"an API has no setting {name!r}.{did_you_mean(name, known)}")
    try:
        return ApiSettings(url, model, **values)
    except TypeError as error:
        raise UsageError(f"a setting of the API has a value of the wrong kind: {error}") from None
