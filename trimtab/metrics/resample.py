"""Bootstrap weights of test items and seeds, and scores under them.

The test split is fixed and shared: one draw of items serves every seed, model and method, so that whatever
they have in common cancels when they are compared.

Owen 2007 (the pigeonhole bootstrap: rows and columns are resampled independently)
https://doi.org/10.1214/07-AOAS122
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from trimtab.metrics.metric import Metric
from trimtab.types import Array

CHUNK_ENTRIES = 500_000
"""Weights turned to float64 at a time: about 4 MB, which stays in a core's cache."""


@dataclass(frozen=True)
class Resample:
    """How often each bootstrap draw holds each test item and each seed."""

    item_weights: Int[Array, "draws items"]
    """Counts; items of one group have the same."""
    seed_weights: Int[Array, "draws seeds"]
    """Counts; each row sums to the number of seeds."""
    n_groups: int
    """Units that were resampled: groups, or items where each stands alone."""

    def chunks(self) -> Iterator[tuple[slice, Float[Array, "draws items"]]]:
        """Yield the item weights as float64, some draws at a time, with the place of those draws."""
        draws, items = self.item_weights.shape
        step = max(1, CHUNK_ENTRIES // max(1, items))
        for start in range(0, draws, step):
            place = slice(start, min(start + step, draws))
            yield place, self.item_weights[place].astype(np.float64)


@dataclass(frozen=True)
class Scores:
    """A metric of each seed's model, on the test split as it is and under each draw of its items."""

    point: Float[Array, "seeds"]
    draws: Float[Array, "draws seeds"]
    """nan where the metric is undefined in a draw."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """Smallest and largest possible value."""

    @property
    def undefined_draws(self) -> int:
        """Number of draws in which the metric is undefined for some seed."""
        return int(np.isnan(self.draws).any(1).sum())

    def minus(self, other: Scores) -> Scores:
        """Return the paired difference, seed by seed and draw by draw.

        Raises ValueError where the two were not made with one resample.
        """
        if self.draws.shape != other.draws.shape:
            raise ValueError(
                f"scores of {self.draws.shape} and {other.draws.shape} (draws, seeds) cannot be compared; "
                "make both with the same resample"
            )
        bounds = self.bounds[0] - other.bounds[1], self.bounds[1] - other.bounds[0]
        return Scores(self.point - other.point, self.draws - other.draws, bounds)

    def times(self, factor: float) -> Scores:
        """Return the scores multiplied by a number."""
        low, high = sorted(end * factor for end in self.bounds)
        return Scores(self.point * factor, self.draws * factor, (low, high))


def resample(
    groups: Int[Array, "items"] | Sequence[str] | None, n_items: int, n_seeds: int, draws: int = 2000, seed: int = 0
) -> Resample:
    """Return the weights of `draws` bootstrap draws: whole groups of items, and seeds, with replacement.

    The same arguments give the same weights. Raises ValueError where there is nothing to resample or `groups`
    does not name one group per item.
    """
    if n_items < 1 or n_seeds < 1 or draws < 1:
        raise ValueError(f"resample needs at least one item, seed and draw, not {n_items}, {n_seeds} and {draws}")
    if groups is not None and len(groups) != n_items:
        raise ValueError(f"resample got {len(groups)} groups for {n_items} items")
    names, group_of_item = np.unique(np.arange(n_items) if groups is None else groups, return_inverse=True)
    items, seeds = (np.random.Generator(np.random.PCG64([seed, stream])) for stream in (1, 2))
    group_weights = np.empty((draws, len(names)), dtype=np.uint16)
    for draw in range(draws):
        chosen = items.integers(len(names), size=len(names))
        group_weights[draw] = np.bincount(chosen, minlength=len(names))
    seed_weights = seeds.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=draws)
    item_weights = group_weights if groups is None else group_weights[:, group_of_item]
    return Resample(item_weights, seed_weights, len(names))


def score(
    metric: Metric,
    probabilities: Float[Array, "seeds items classes"],
    gold: Int[Array, "items"],
    resample: Resample,
) -> Scores:
    """Return a metric of each seed's predictions, as it is and under each draw.

    Raises ValueError where the shapes disagree or a probability is not finite.
    """
    draws, n_items = resample.item_weights.shape
    n_seeds = resample.seed_weights.shape[1]
    if probabilities.ndim != 3 or probabilities.shape[:2] != (n_seeds, n_items) or len(gold) != n_items:
        raise ValueError(
            f"predictions of shape {probabilities.shape} and {len(gold)} gold classes do not fit "
            f"a resample of {n_seeds} seeds and {n_items} items"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("predictions hold a probability that is not a finite number")
    once = np.ones((1, n_items))
    point = np.array([metric.function(one, gold, once)[0] for one in probabilities])
    values = np.empty((draws, n_seeds))
    for place, weights in resample.chunks():
        for column, one in enumerate(probabilities):
            values[place, column] = metric.function(one, gold, weights)
    return Scores(point, values, metric.bounds)
