"""Build the tokens that a model reads: a template around each text, which is cut where it is too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.errors import ModelError, UsageError
from trimtab.types import ModelSpec

Cut = Literal["end", "start"]
"""Which end of a text that is too long goes."""
_SLOT = "{text}"
_BLOCK = 1024


@dataclass(frozen=True)
class Encoded:
    """Token ids of each item, special tokens included."""

    ids: list[list[int]]
    truncated: int
    """How many texts were cut."""

    @property
    def tokens(self) -> int:
        """Number of tokens, without padding."""
        return sum(map(len, self.ids))


def template_of(spec: ModelSpec, prompt: str, causal: bool) -> str:
    """Return the template around each text: the spec's own, else the task's prompt (causal) or the bare text
    (encoder).

    Raises UsageError where it does not hold `{text}` exactly once.
    """
    template = spec.template if spec.template is not None else (prompt if causal else _SLOT)
    if template.count(_SLOT) != 1:
        raise UsageError(f"the template {template!r} holds {_SLOT} {template.count(_SLOT)} times; wanted once")
    return template


def pooling_of(spec: ModelSpec, causal: bool) -> str:
    """Return "last" or "mean"; `auto` is last for causal models and mean for encoders."""
    if spec.pooling != "auto":
        return spec.pooling
    return "last" if causal else "mean"


def encode(tokenizer: Any, texts: Sequence[str], template: str, limit: int, cut: Cut = "end") -> Encoded:
    """Return the tokens of each filled template, at most `limit` of them.

    Where there are more, the end or the start of the text is cut, character by character, until the whole input fits;
    the template around it stays. An input without any token becomes one beginning- or end-of-text token.

    Raises UsageError where the template alone is too long; ModelError where an empty input has no token to
    stand for it.
    """
    before, after = template.split(_SLOT)
    ids: list[list[int]] = []
    truncated = 0
    for start in range(0, len(texts), _BLOCK):
        block = texts[start : start + _BLOCK]
        for text, tokens in zip(block, _tokenize(tokenizer, [before + text + after for text in block]), strict=True):
            if len(tokens) > limit:
                tokens = _cut(tokenizer, before, text, after, limit, cut)
                truncated += 1
            ids.append(tokens or _stand_in(tokenizer))
    return Encoded(ids, truncated)


def _tokenize(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    # nobody reads masks and types: making them takes as long as finding the tokens
    only = {"return_attention_mask": False, "return_token_type_ids": False}
    return tokenizer(texts, truncation=False, padding=False, verbose=False, **only)["input_ids"]


def _cut(tokenizer: Any, before: str, text: str, after: str, limit: int, cut: Cut) -> list[int]:
    """Return the tokens of the longest beginning of `text` (end, where the start is cut) that fits with its frame."""

    def fill(characters: int) -> list[int]:
        kept = text[:characters] if cut == "end" else text[len(text) - characters :]
        return _tokenize(tokenizer, [before + kept + after])[0]

    best = fill(0)
    if len(best) > limit:
        raise UsageError(
            f"the template alone has {len(best)} tokens, but max_tokens and the model's context allow "
            f"{limit}; shorten the template or raise max_tokens"
        )
    fits, too_long = 0, len(text)
    # a token rarely spans many characters: a first guess spares tokenising a whole book again and again
    guess = min(len(text) - 1, 8 * limit)
    while too_long - fits > 1:
        middle = guess if fits < guess < too_long else (fits + too_long) // 2
        guess = 0
        tokens = fill(middle)
        if len(tokens) <= limit:
            fits, best = middle, tokens
        else:
            too_long = middle
    return best


def _stand_in(tokenizer: Any) -> list[int]:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return [int(token)]
    raise ModelError(
        "an empty text gives no token, and the tokenizer has no beginning- or end-of-text token to stand "
        "for it; set a template with some text around {text}"
    )
