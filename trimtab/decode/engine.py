"""Base models that write elsewhere, in an inference engine or behind a server, and are asked for continuations.

Such a model draws its own random numbers. What is asked for is named all the same: each request has a seed of
(seed, prompt, sample, step), and it is the engine that honours it or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.draws import request_seed
from trimtab.decode.sampling import Sampling

_GREEDY = Sampling(temperature=0)


@dataclass(frozen=True)
class Ask:
    """One request: so many continuations of the same beginning."""

    prompt: Prompt
    answer: Answer
    """What is there so far; it has not ended."""
    count: int
    """How many continuations."""
    tokens: int
    """Longest continuation in tokens."""
    sampling: Sampling
    seed: int


class Engine(Protocol):
    """What writes."""

    empty: Answer
    """An answer before its first token."""

    def go_on(self, asks: Sequence[Ask], compute: Compute) -> list[list[Answer]]:
        """Return each request's answers, beginning and continuation as one."""
        ...


class EngineGrowth:
    """Rows of an engine's answers; see `base.Growth`. All rows were allowed the same number of tokens."""

    def __init__(
        self, engine: Engine, prompts: Sequence[Prompt], sampling: Sampling, seed: int, room: int, compute: Compute,
        per_request: int,
    ) -> None:  # fmt: skip
        """At most `per_request` children of one row are asked for at once, and share a seed."""
        self._engine, self._sampling, self._compute = engine, sampling, compute
        self._seed, self._room, self._written = seed, room, 0
        # where nothing is drawn engines refuse to write the same twice
        self._per_request = 1 if sampling.temperature == 0 else per_request
        self._rows: list[tuple[Prompt, Answer]] = [(prompt, engine.empty) for prompt in prompts]
        self._children: list[tuple[Prompt, Answer]] = []

    def extend(self, parents: Sequence[int], samples: Sequence[int], tokens: int) -> list[Answer]:
        """Let each child go on from its parent."""
        groups = _together(parents, self._per_request)
        asks = []
        for group in groups:
            prompt, answer = self._rows[parents[group[0]]]
            seed = request_seed(self._seed, prompt.id, samples[group[0]], self._written)
            asks.append(Ask(prompt, answer, len(group), tokens, self._sampling, seed))
        found = self._engine.go_on(asks, self._compute)
        self._written += tokens
        self._children = [(ask.prompt, answer) for ask, answers in zip(asks, found, strict=True) for answer in answers]
        return [answer for _, answer in self._children]

    def look_ahead(self, tokens: int) -> list[Answer]:
        """Return the last extension's children as they would be so many of the likeliest tokens later."""
        found = [answer for _, answer in self._children]
        live = [place for place, answer in enumerate(found) if not answer.ended]
        tokens = min(tokens, self._room - self._written)
        if live and tokens > 0:
            asks = [self._greedy(*self._children[place], tokens) for place in live]
            for place, (answer,) in zip(live, self._engine.go_on(asks, self._compute), strict=True):
                found[place] = answer
        return found

    def keep(self, children: Sequence[int]) -> None:
        """Keep these children as rows."""
        self._rows = [self._children[child] for child in children]

    def _greedy(self, prompt: Prompt, answer: Answer, tokens: int) -> Ask:
        return Ask(prompt, answer, 1, tokens, _GREEDY, request_seed(self._seed, prompt.id, 0, self._written))


def _together(parents: Sequence[int], most: int) -> list[list[int]]:
    """Return the places of children that are asked for at once: neighbours of one parent, at most so many.

    >>> _together([0, 0, 0, 1], most=2)
    [[0, 1], [2], [3]]
    """
    groups: list[list[int]] = []
    for place, parent in enumerate(parents):
        if groups and parents[groups[-1][0]] == parent and len(groups[-1]) < most:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
