"""DeAL: a search that scores each beginning by the reward of what it would lead to.

    write W x K continuations of L tokens,  let the model add the T likeliest tokens to each,  keep the W whose texts
    r(x, [y, look-ahead]) finds best,  drop what was looked at,  go on

The reward is any scorer: a program or a model. With T = 0 it is chunk-level beam search with that scorer; with a
reward that is constant it is sampling. Huang et al. 2024, section 3  https://arxiv.org/abs/2402.06147 ; the paper's
text was not at hand, and no reference code is public: proposals are sampled here, where the paper also knows beams.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.decode.sampling import Sampling
from trimtab.decode.search import ChunkSearch, SearchMethod


@dataclass(frozen=True)
class Deal(SearchMethod):
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

    def search_settings(self) -> ChunkSearch:
        """Return what the search is."""
        return ChunkSearch(
            self.width, self.samples, self.chunk, max_new_tokens=self.max_new_tokens, look_ahead=self.look_ahead
        )
