"""Chunk-level search: write some tokens of several answers, score what is there, keep the best, go on.

The loop that chunk-level beam search, best-of-N, plain sampling, blockwise controlled decoding and look-ahead share.
All prompts of a batch move in step; rounds are counted in chunks, so that unfinished answers have equal length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.decode.answer import Answer, Compute, Prompt, as_prompts
from trimtab.decode.base import Base, Growth, as_base
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.scorer import Scorer, Scoring
from trimtab.errors import UsageError

Finished = Literal["compete", "pool"]


@dataclass(frozen=True)
class Scored:
    """An answer with its score."""

    answer: Answer
    score: float


@dataclass(frozen=True)
class ChunkSearch:
    """Settings of a chunk-level search. Raises UsageError for a value out of range."""

    width: int
    """How many answers are kept (W)."""
    samples: int
    """How many go on from each kept one (K)."""
    chunk: int | None
    """Tokens of a round (L); None writes answers to their end at once."""
    finished: Finished = "compete"
    """An answer that ended holds its place by score ("compete"), or leaves it to one that goes on ("pool")."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    look_ahead: int = 0
    """How many of the likeliest tokens follow before an unfinished answer is scored; they are not kept."""

    def __post_init__(self) -> None:
        for name in ("width", "samples", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted 1 or more")
        if self.chunk is not None and not 1 <= self.chunk <= self.max_new_tokens:
            raise UsageError(
                f"chunk is {self.chunk}; wanted 1 to max_new_tokens ({self.max_new_tokens}), or none for whole answers"
            )
        if self.look_ahead < 0:
            raise UsageError(f"look_ahead is {self.look_ahead}; wanted 0 or more tokens")
        if self.finished not in ("compete", "pool"):
            raise UsageError(f'finished is {self.finished!r}; wanted "compete" or "pool"')


class SearchMethod(ABC):
    """A chunk-level search by its settings; raises UsageError for a value out of range when it is made."""

    sampling: Sampling

    @abstractmethod
    def search_settings(self) -> ChunkSearch:
        """Return what the search is."""

    def __post_init__(self) -> None:
        self.search_settings()

    def __call__(
        self, base: Base | LanguageModel, scorer: Scorer, prompts: Sequence[Prompt | str], seed: int = 0,
        compute: Compute | None = None,
    ) -> list[Scored]:  # fmt: skip
        """Return the best answer to each prompt with its score; what it costs is added to `compute`."""
        writer, settings = as_base(base), self.search_settings()
        found = search(writer, scorer, as_prompts(prompts), settings, self.sampling, seed, compute or Compute())
        return [answers[0] for answers in found]


def search(
    base: Base, scorer: Scorer, prompts: Sequence[Prompt], settings: ChunkSearch, sampling: Sampling, seed: int,
    compute: Compute,
) -> list[list[Scored]]:  # fmt: skip
    """Return the kept answers of each prompt, the best first; of equal scores the earlier sample first.

    The first round writes W x K independent answers per prompt. Sample numbers 0 to W x K - 1 name the random streams,
    so that answers of one prompt never share a number.
    """
    growth = base.begin(prompts, sampling, seed, settings.max_new_tokens, compute)
    scoring = scorer.begin(prompts, compute)
    beams = [_Beam(index, settings) for index in range(len(prompts))]
    written = 0
    while written < settings.max_new_tokens and any(beam.rows for beam in beams):
        tokens = min(settings.chunk or settings.max_new_tokens, settings.max_new_tokens - written)
        _round(beams, growth, scoring, tokens, settings.look_ahead)
        written += tokens
    return [beam.ranked() for beam in beams]


def _round(beams: Sequence[_Beam], growth: Growth, scoring: Scoring, tokens: int, look_ahead: int) -> None:
    """Write a chunk of every live answer of every prompt, score, and keep each prompt's best."""
    parents = [row for beam in beams for row in beam.parents()]
    samples = [sample for beam in beams for sample in range(len(beam.parents()))]
    answers = growth.extend(parents, samples, tokens)
    scores = scoring.score(parents, growth.look_ahead(look_ahead) if look_ahead else answers)
    kept: list[int] = []
    first = 0
    for beam in beams:
        count = len(beam.parents())
        found = [Scored(answers[i], float(scores[i])) for i in range(first, first + count)]
        live = beam.choose(found)
        beam.rows = list(range(len(kept), len(kept) + len(live)))
        kept += [first + one for one in live]
        first += count
    growth.keep(kept)
    scoring.keep(kept)


class _Beam:
    """The kept answers of one prompt: `rows` of those that go on, and those that have ended."""

    def __init__(self, row: int, settings: ChunkSearch) -> None:
        self.settings = settings
        self.rows = [row]
        self._begun = False
        self._live: list[Scored] = []
        self._ended: list[Scored] = []

    def parents(self) -> list[int]:
        """Return the row that each new answer goes on from."""
        copies = self.settings.samples if self._begun else self.settings.samples * self.settings.width
        return [row for row in self.rows for _ in range(copies)]

    def choose(self, found: Sequence[Scored]) -> list[int]:
        """Keep the best of what was found and, where they compete, of what had ended; return which go on."""
        self._begun = True
        places = sorted(range(len(found)), key=lambda place: -found[place].score)
        if self.settings.finished == "pool":
            live = [place for place in places if not found[place].answer.ended][: self.settings.width]
            ended = [found[place] for place in places if found[place].answer.ended]
            self._ended = _best([*self._ended, *ended], self.settings.width)
        else:
            before = [(-one.score, 0, index) for index, one in enumerate(self._ended)]
            now = [(-found[place].score, 1, place) for place in range(len(found))]
            best = sorted(before + now)[: self.settings.width] if found else sorted(before)
            live = [place for _, new, place in best if new and not found[place].answer.ended]
            fresh = [found[place] for _, new, place in best if new and found[place].answer.ended]
            self._ended = [self._ended[place] for _, new, place in best if not new] + fresh
        self._live = [found[place] for place in live]
        return live

    def ranked(self) -> list[Scored]:
        """Return what is kept, the best first."""
        return _best([*self._ended, *self._live], self.settings.width)


def _best(answers: Sequence[Scored], count: int) -> list[Scored]:
    return sorted(answers, key=lambda one: -one.score)[:count]
