"""The frozen model that writes, wherever it is: rows of answers that can be grown, forked and dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.draws import table
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sampling import Sampling
from trimtab.decode.sequences import Sequences
from trimtab.decode.write import Writer, write
from trimtab.errors import UsageError


class Growth(Protocol):
    """Unfinished answers of one batch of prompts, one row each; at first one empty answer per prompt."""

    def extend(self, parents: Sequence[int], samples: Sequence[int], tokens: int) -> list[Answer]:
        """Let each child go on from its parent row by up to `tokens` tokens, drawn from its sample's stream.

        The children that did not end become the rows once `keep` has said which.
        """
        ...

    def look_ahead(self, tokens: int) -> list[Answer]:
        """Return the last extension's children as they would be so many of the likeliest tokens later."""
        ...

    def keep(self, children: Sequence[int]) -> None:
        """Keep these children of the last extension, none of which has ended, as rows in this order."""
        ...


class Base(Protocol):
    """A model that answers prompts."""

    def begin(self, prompts: Sequence[Prompt], sampling: Sampling, seed: int, room: int, compute: Compute) -> Growth:
        """Return empty answers of at most `room` tokens."""
        ...


class Forkable(Writer, Protocol):
    """A writer of which copies can be made."""

    def fork(self, rows: Sequence[int]) -> Writer:
        """Return a copy of these rows that goes its own way."""
        ...


class LocalBase:
    """A causal model in this process."""

    def __init__(self, model: LanguageModel, form: str = "plain") -> None:
        self.model = model
        self.form = form

    def begin(
        self, prompts: Sequence[Prompt], sampling: Sampling, seed: int, room: int, compute: Compute
    ) -> LocalGrowth:
        """Return empty answers. Raises UsageError where prompt and answer are longer than the context."""
        ids = self.prompt_ids(prompts, room)
        return LocalGrowth(self.model, self.writer(ids, prompts, compute), prompts, sampling, seed, room)

    def prompt_ids(self, prompts: Sequence[Prompt], room: int) -> list[list[int]]:
        """Return the prompts' tokens. Raises UsageError where an answer of that many tokens does not fit behind one."""
        ids = [self.model.prompt_ids(one.text, self.form) for one in prompts]
        for prompt, tokens in zip(prompts, ids, strict=True):
            check_room(self.model, prompt, len(tokens), room)
        return ids

    def writer(self, ids: Sequence[list[int]], prompts: Sequence[Prompt], compute: Compute) -> Forkable:
        """Return what gives the logits of these rows: here the model itself."""
        return Sequences(self.model, ids, compute, "base")


def as_base(base: Base | LanguageModel) -> Base:
    """Return what writes: a loaded model as plain text, and any other base as it is."""
    return LocalBase(base) if isinstance(base, LanguageModel) else base


class LocalGrowth:
    """Rows of one causal model; see `Growth`."""

    def __init__(
        self,
        model: LanguageModel,
        writer: Forkable,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        seed: int,
        room: int,
    ) -> None:
        self._model, self._writer, self._sampling = model, writer, sampling
        self._seed, self._room = seed, room
        self._rows: list[tuple[Prompt, Answer]] = [(prompt, Answer()) for prompt in prompts]
        self._children: list[tuple[Prompt, Answer]] = []
        self._live: list[int] = []
        """Which of the children the writer's rows are: those that did not end."""

    def extend(self, parents: Sequence[int], samples: Sequence[int], tokens: int) -> list[Answer]:
        """Let each child go on from its parent."""
        writer = self._writer
        if len(writer):
            writer.logits()  # once for all children of a row
        writer.select(parents)
        begun = [self._rows[parent] for parent in parents]
        done = len(begun[0][1].ids or ())  # rows grow in step
        numbers = table(self._seed, [prompt.id for prompt, _ in begun], samples, self._room)
        chunks, self._live = write(writer, numbers[:, done : done + tokens], self._sampling, self._model.end_ids)
        self._children = [
            (prompt, self._longer(answer, chunk)) for (prompt, answer), chunk in zip(begun, chunks, strict=True)
        ]
        return [answer for _, answer in self._children]

    def look_ahead(self, tokens: int) -> list[Answer]:
        """Return the last extension's children as they would be so many of the likeliest tokens later."""
        live, found = self._live, [answer for _, answer in self._children]
        tokens = min(tokens, self._room - max((len(answer.ids or ()) for answer in found), default=0))
        if live and tokens > 0:
            ahead = self._writer.fork(range(len(live)))
            chunks, _ = write(ahead, np.zeros((len(live), tokens)), Sampling(temperature=0), self._model.end_ids)
            for place, chunk in zip(live, chunks, strict=True):
                found[place] = self._longer(found[place], chunk)
        return found

    def keep(self, children: Sequence[int]) -> None:
        """Keep these children as rows."""
        row_of = {place: row for row, place in enumerate(self._live)}
        self._writer.select([row_of[child] for child in children])
        self._rows = [self._children[child] for child in children]

    def _longer(self, answer: Answer, chunk: list[int]) -> Answer:
        ids = (*(answer.ids or ()), *chunk)
        return Answer(self._model.answer_text(list(ids)), ids, bool(chunk) and chunk[-1] in self._model.end_ids)


def check_room(model: LanguageModel, prompt: Prompt, tokens: int, room: int) -> None:
    """Raise UsageError where a prompt and its answer are longer than a model's context."""
    if tokens + room > model.context:
        raise UsageError(
            f"prompt {prompt.id} has {tokens:,} tokens and {room:,} may follow, but {model.name} reads "
            f"{model.context:,}; shorten the prompt, lower max_new_tokens, or use a model with a longer context"
        )
