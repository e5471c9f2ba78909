"""Chunk-level beam search CBS(W, K, L): a tuned/untuned guide pair steers a frozen model every L tokens.

    write W x K continuations of L tokens,  keep the W of greatest  s(x, y) = log pi_tuned(y|x) - log pi_untuned(y|x),
    let each be continued K times,  until all that are kept have ended

Zhou et al. 2024, algorithm 1  https://arxiv.org/abs/2405.19262

Best-of-N is CBS(1, N, infinity) and plain sampling CBS(1, 1, infinity), by identity: they are this function. With a
value function in the place of the log-ratio, CBS(1, K, L) is blockwise controlled decoding (Mudgal et al. 2023,
https://arxiv.org/abs/2310.17022). Differs from ZHZisZZ/weak-to-strong-search as `search.py` and
`scorers/log_ratio.py` say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.scorer import Scoring
from trimtab.decode.search import ChunkSearch, Finished, SearchMethod
from trimtab.types import Array


@dataclass(frozen=True)
class ChunkBeam(SearchMethod):
    """Chunk-level beam search. Raises UsageError for a value out of range."""

    width: int = 4
    """How many answers are kept (W)."""
    samples: int = 4
    """How many go on from each kept one (K)."""
    chunk: int | None = 5
    """Tokens of a round (L); None writes answers to their end at once."""
    finished: Finished = "compete"
    """An answer that ended holds its place by score ("compete"), or leaves it to one that goes on ("pool")."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are drawn."""

    def search_settings(self) -> ChunkSearch:
        """Return what the search is."""
        return ChunkSearch(self.width, self.samples, self.chunk, self.finished, self.max_new_tokens)


def best_of_n(count: int, max_new_tokens: int = 32, sampling: Sampling | None = None) -> ChunkBeam:
    """Return best-of-N: so many whole answers, the best by score."""
    return ChunkBeam(1, count, None, max_new_tokens=max_new_tokens, sampling=sampling or Sampling())


def sample(max_new_tokens: int = 32, sampling: Sampling | None = None) -> ChunkBeam:
    """Return plain sampling from the base model; to be used with `Indifferent`."""
    return best_of_n(1, max_new_tokens, sampling)


class Indifferent:
    """A scorer to which all answers are equal."""

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers."""
        return self

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        """Return zeros."""
        return np.zeros(len(answers))

    def keep(self, children: Sequence[int]) -> None:
        """Have nothing to keep."""
