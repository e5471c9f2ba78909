"""How likely one model finds answers, reading only what it has not read before.

Two ways to read: the base model's own tokens where the model has the same vocabulary; the text elsewhere. A longer
text may split into other tokens near its old end: what the old and the new tokens have in common is kept, the rest
read again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import check_room
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sequences import Sequences
from trimtab.types import Array


@dataclass(frozen=True)
class _Read:
    """What a row holds: its prompt, all its tokens, how many are the prompt's, and the others' log-probabilities."""

    prompt: Prompt
    ids: list[int]
    begun: int
    values: list[float]


class Reader(ABC):
    """Rows of answers in one model."""

    def __init__(self, model: LanguageModel, prompts: Sequence[Prompt], form: str, compute: Compute) -> None:
        self.model, self.form = model, form
        ids = [model.prompt_ids(one.text, form) for one in prompts]
        self._rows = [_Read(prompt, tokens, len(tokens), []) for prompt, tokens in zip(prompts, ids, strict=True)]
        self._children: list[_Read] = []
        self._sequences = Sequences(model, ids, compute, "guide")

    @abstractmethod
    def tokens(self, row: _Read, answer: Answer) -> tuple[list[int], int]:
        """Return all tokens of a row's prompt with this answer, and how many of them are the prompt's."""

    def read(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        """Return the summed log-probability in nats of each answer, which goes on from its parent's row."""
        rows = [self._rows[parent] for parent in parents]
        wanted = [self.tokens(row, answer) for row, answer in zip(rows, answers, strict=True)]
        common = [_common(row.ids, ids) for row, (ids, _) in zip(rows, wanted, strict=True)]
        for row, (ids, _) in zip(rows, wanted, strict=True):
            check_room(self.model, row.prompt, len(ids), 0)
        changed = any(kept < len(row.ids) for kept, row in zip(common, rows, strict=True))
        if len(parents) > len(self._rows) and not changed:
            self._sequences.logits()  # once for all children of a row
        self._sequences.select(parents)
        if changed:
            self._sequences.rewind([ids[:kept] for kept, (ids, _) in zip(common, wanted, strict=True)])
        new = self._sequences.read([ids[kept:] for kept, (ids, _) in zip(common, wanted, strict=True)])
        self._children = [
            _Read(row.prompt, ids, begun, _values(row, kept, begun, found))
            for row, (ids, begun), kept, found in zip(rows, wanted, common, new, strict=True)
        ]
        return np.array([sum(one.values) for one in self._children])

    def lengths(self) -> list[int]:
        """Return how many tokens each answer has that was read last."""
        return [len(one.ids) - one.begun for one in self._children]

    def keep(self, children: Sequence[int]) -> None:
        """Make these of the answers that were read last the rows."""
        self._sequences.select(children)
        self._rows = [self._children[child] for child in children]


class TokenReader(Reader):
    """Reads the base model's tokens, which mean the same to this model."""

    def tokens(self, row: _Read, answer: Answer) -> tuple[list[int], int]:
        """Return prompt and answer side by side."""
        assert answer.ids is not None
        return row.ids[: row.begun] + list(answer.ids), row.begun


class TextReader(Reader):
    """Reads the text of an answer with a tokenizer of its own."""

    def tokens(self, row: _Read, answer: Answer) -> tuple[list[int], int]:
        """Return the tokens of prompt and answer as one text, and how many lie wholly in the prompt.

        A token in which both meet belongs to the answer: the model has to find the answer's letters likely, too.
        """
        ids, begun = self.model.joined_ids(row.prompt.text, answer.text, self.form)
        return ids + ([self.model.end_id] if answer.ended else []), begun


def _common(old: list[int], new: list[int]) -> int:
    """Return how many first tokens need not be read again; the first token is never read for its probability."""
    differs = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return max(differs, 1)


def _values(row: _Read, kept: int, begun: int, found: list[float]) -> list[float]:
    """Return the log-probabilities of the answer's tokens: those that were kept and those that are new."""
    return row.values[: max(kept - row.begun, 0)] + found[max(begun - kept, 0) :]
