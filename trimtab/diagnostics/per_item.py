"""Means over test items of what two models say of each item, as they are and under each draw of the items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from trimtab.metrics.metric import ratio
from trimtab.metrics.resample import Resample, Scores
from trimtab.types import Array


class PerItem(Protocol):
    """A few numbers about each item, of which only means are needed."""

    def __call__(
        self,
        student: Float[Array, "items classes"],
        weak: Float[Array, "items classes"],
        gold: Int[Array, "items"],
    ) -> Float[Array, "items columns"]:
        """Return one row of numbers per item, from the class probabilities of two models and the truth."""
        ...


@dataclass(frozen=True)
class Means:
    """Means of the columns, one model pair per seed."""

    point: Float[Array, "seeds columns"]
    draws: Float[Array, "draws seeds columns"]

    def column(self, place: int, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Scores:
        """Return one column as scores."""
        return Scores(self.point[:, place], self.draws[:, :, place], bounds)


def means(values: Float[Array, "seeds items columns"], resample: Resample) -> Means:
    """Return the means over items of each seed's columns."""
    seeds, items, columns = values.shape
    flat = values.transpose(1, 0, 2).reshape(items, seeds * columns)
    draws = np.empty((len(resample.item_weights), seeds * columns))
    for place, weights in resample.chunks():
        draws[place] = ratio(weights @ flat, weights.sum(1, keepdims=True))
    return Means(flat.mean(0).reshape(seeds, columns), draws.reshape(-1, seeds, columns))
