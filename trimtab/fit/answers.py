"""Items of several texts, each an answer with one score: which texts are whose, and what the scores say.

    r_ic = w'h(answer c of item i)        p_ic = exp(r_ic) / sum_d exp(r_id)        d runs over the answers of item i

Of the two answers of a pair this is p(second is better) = sigmoid(r_second - r_first).

Bradley and Terry 1952  https://doi.org/10.2307/2334029
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.errors import FitError
from trimtab.types import Array


@dataclass(frozen=True)
class Answers:
    """Whose answers some texts are, which lie item by item."""

    counts: tuple[int, ...]
    """Answers of each item."""
    places: int
    """Most answers of an item of the data set: how many columns labels and predictions have."""
    in_both_orders: bool = False
    """Whether every item is a pair that is learnt in both orders, so that which answer comes first decides nothing."""

    @cached_property
    def _starts(self) -> Int[Array, "bounds"]:
        return np.concatenate([[0], np.cumsum(self.counts)])

    def texts_of(self, items: Sequence[int]) -> list[int]:
        """Return where the texts of some items lie, item by item."""
        return [text for item in items for text in range(self._starts[item], self._starts[item + 1])]

    def chosen(self, items: Sequence[int]) -> Answers:
        """Return the answers of some items."""
        return Answers(tuple(self.counts[item] for item in items), self.places, self.in_both_orders)

    def check(self, labels: Float[Array, "items places"]) -> None:
        """Raise FitError where a label gives something to an answer that its item does not have."""
        beyond = np.arange(labels.shape[1]) >= np.array(self.counts)[:, None]
        wrong = np.flatnonzero((labels * beyond).any(1))
        if len(wrong):
            count = self.counts[wrong[0]]
            raise FitError(
                f"{len(wrong)} labels give probability to answers that their items do not have (the first one has "
                f"{count}); a label step for a task of {'pairs' if self.in_both_orders else 'choices'} must leave them "
                "at 0"
            )

    def probabilities(self, scores: Float[Array, "texts"]) -> Float[Array, "items places"]:
        """Return the softmax over each item's own answers; beyond its last one it is exactly 0."""
        found = np.zeros((len(self.counts), self.places))
        for items, table in tables(torch.from_numpy(scores), self.counts):
            found[items, : table.shape[1]] = table.softmax(-1).numpy()
        return found


def tables(
    scores: Float[Tensor, "texts"], counts: Sequence[int]
) -> Iterator[tuple[Int[Tensor, "alike"], Float[Tensor, "alike answers"]]]:
    """Yield the items with equally many answers together: which they are, and one row of scores for each.

    So a function of a whole row sees of an item what it would see if all items had as many answers.
    """
    sizes = torch.tensor(counts)
    starts = sizes.cumsum(0) - sizes
    for size in sorted(set(counts)):
        items = (sizes == size).nonzero().squeeze(1)
        yield items, scores[starts[items].unsqueeze(1) + torch.arange(size)]
