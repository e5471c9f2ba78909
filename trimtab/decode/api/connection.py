"""One request to a server, tried again where that may help.

    wait before attempt k + 1:  what the server asks for (Retry-After), else min(longest_wait, first_wait 2^(k-1))

Time-outs, lost connections, replies that cannot be read and the statuses 408, 429 and 500 on are tried again; any
other status is final. The key is in no message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from trimtab.decode.api.endpoints import Reply, UnreadableError, read_reply, request_body
from trimtab.decode.api.settings import ApiSettings
from trimtab.decode.engine import Ask
from trimtab.errors import ApiError, UsageError

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError

_AGAIN = (408, 429)
_SERVER_FAILS = 500
_NO_API = "check that the URL is that of an API"
_ADVICE = {
    400: "see what the server says of the request",
    401: "check the key in {variable}",
    403: "check the key in {variable} and what it allows",
    404: "check the URL and the name of the model",
}


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed, and what to do."""

    words: str
    again: bool
    advice: str
    wait: float | None = None
    """Seconds that the server asks for."""


class Connection:
    """A client of one server; it may be used from several threads."""

    def __init__(self, settings: ApiSettings) -> None:
        """Raises UsageError where the client is not installed or the key is absent."""
        try:
            import openai
        except ImportError as error:
            raise UsageError(
                f'the client of the API cannot be imported ({error}); install it with: pip install "trimtab[api]"'
            ) from None
        self.settings, self._openai, self._key = settings, openai, settings.key()
        self._client = openai.OpenAI(
            base_url=settings.url,
            api_key=self._key or "none",  # a server without keys does not look at it
            timeout=settings.timeout,
            max_retries=0,
        )

    def ask(self, ask: Ask, stopped: Event) -> Reply:
        """Return the server's reply. Waits end, and no further attempt is made, once `stopped` is set.

        Raises ApiError, which names the prompt, where the server refuses or no attempt succeeds.
        """
        settings, attempt = self.settings, 1
        body = request_body(ask, settings)
        while True:
            found = self._attempt(ask, body)
            if isinstance(found, Reply):
                return found
            wait = self._wait_after(attempt, found)
            if wait is None or self._stopped_within(wait, stopped):
                break
            attempt += 1
        tried = "once" if attempt == 1 else f"{attempt} times"
        raise ApiError(
            self._without_key(
                f"{settings.url}, model {settings.model}, was asked {tried} for an answer to prompt {ask.prompt.id}: "
                f"{found.words}; {found.advice}"
            ),
            ask.prompt.id,
        )

    def _wait_after(self, attempt: int, failure: _Failure) -> float | None:
        """Return the seconds before the next attempt, None where there is none."""
        settings = self.settings
        if not failure.again or attempt == settings.attempts:
            return None
        if failure.wait is not None:
            return failure.wait if failure.wait <= settings.longest_wait else None
        return min(settings.longest_wait, settings.first_wait * 2.0 ** (attempt - 1))

    def _attempt(self, ask: Ask, body: Mapping[str, Any]) -> Reply | _Failure:
        client = self._client.completions if self.settings.kind == "completions" else self._client.chat.completions
        try:
            text = self._without_key(client.with_raw_response.create(**body).text)  # before anything is cut
        except self._openai.APIStatusError as error:
            return self._refused(error)
        except self._openai.APIConnectionError as error:
            return self._lost(error)
        try:
            return read_reply(json.loads(text), ask, self.settings)
        except ValueError:
            return _Failure(f"its reply is no JSON: {text[:200]!r}", True, _NO_API)
        except UnreadableError as error:
            return _Failure(error.words, error.advice is None, error.advice or _NO_API)

    def _refused(self, error: APIStatusError) -> _Failure:
        status, body = error.status_code, error.body
        said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        words = f"it answered {status}: {self._without_key(str(said or error.response.text))[:300]!r}"
        advice = _ADVICE.get(status, "see what the server says of the request")
        if status not in _AGAIN and status < _SERVER_FAILS:
            return _Failure(words, False, advice.format(variable=self.settings.key_variable))
        if error.code == "insufficient_quota":  # a 429 that no wait mends
            return _Failure(words, False, "see to the account")
        wait = _retry_after(error.response.headers.get("retry-after"))
        asked = "" if wait is None else f" (it asks to wait {wait:g} s)"
        return _Failure(words + asked, True, "try later, lower in_flight, or raise attempts or longest_wait", wait)

    def _lost(self, error: APIConnectionError) -> _Failure:
        if isinstance(error, self._openai.APITimeoutError):
            words = f"no word for {self.settings.timeout:g} s"
            return _Failure(words, True, "raise timeout, lower in_flight, or see whether the server works")
        cause = error.__cause__ or error
        words = f"the connection failed ({type(cause).__name__}: {cause})"
        return _Failure(words, True, "check the URL and whether the server runs")

    def _stopped_within(self, seconds: float, stopped: Event) -> bool:
        return stopped.wait(seconds)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None where it holds neither.

    >>> _retry_after("2"), _retry_after("soon"), _retry_after("Thu, 01 Jan 1970 00:00:00 GMT")
    (2.0, None, 0.0)
    """
    if value is None:
        return None
    try:
        found = float(value)
    except ValueError:
        try:
            found = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(found, 0.0) if found == found else None
