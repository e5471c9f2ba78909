"""DeAL: a search that scores each beginning by the reward of what it would lead to.

    write W x K continuations of L tokens,  let the model add the T likeliest tokens to each,  keep the W whose texts
    r(x, [y, look-ahead]) finds best,  drop what was looked at,  go on

The reward is any scorer: a program or a model. With T = 0 it is chunk-level beam search with that scorer; with a
reward that is constant it is sampling. Huang et al. 2024, section 3  https://arxiv.org/abs/2402.06147 ; the paper's
text was not at hand, and no reference code is public: proposals are sampled here, where the paper also knows beams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.base import Base
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.scorer import Scorer
from trimtab.decode.search import ChunkSearch, Scored, search


@dataclass(frozen=True)
class Deal:
    """Look-ahead search. Raises UsageError for a value out of range."""

    width: int = 2
    """How many answers are kept (W)."""
    samples: int = 2
    """How many go on from each kept one (K)."""
    chunk: int = 5
    """Tokens of a round (L)."""
    look_ahead: int = 8
    """Tokens that are added for scoring (T)."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are drawn; what is looked at is always the likeliest token."""

    def __post_init__(self) -> None:
        self._search()

    def __call__(
        self, base: Base, scorer: Scorer, prompts: Sequence[Prompt], seed: int, compute: Compute
    ) -> list[Scored]:
        """Return the best answer to each prompt with its score."""
        return [found[0] for found in search(base, scorer, prompts, self._search(), self.sampling, seed, compute)]

    def _search(self) -> ChunkSearch:
        return ChunkSearch(
            self.width, self.samples, self.chunk, max_new_tokens=self.max_new_tokens, look_ahead=self.look_ahead
        )
