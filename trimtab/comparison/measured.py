"""The test split with every model's predictions on it, and scores under one shared resample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.metrics import METRICS
from trimtab.metrics.intervals import Resample, Scores, resample, score
from trimtab.types import Array, Labels


@dataclass(frozen=True)
class Measured:
    """Everything that a comparison reads, aligned on the test items."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    gold: Int[Array, "items"]
    slices: Mapping[str, Float[Array, "items"]]
    seeds: tuple[int, ...]
    predictions: tuple[Float[Array, "items classes"], ...]
    """Test probabilities of every model."""
    labels: tuple[Labels, ...]
    """Every set of labels on the transfer split."""
    transfer_gold: Mapping[str, int]
    """True class of every transfer item of any seed, for reporting how right labels are."""
    resample: Resample
    _scores: dict[tuple[str, tuple[int, ...]], Scores] = field(default_factory=dict)

    def scores(self, metric: str, models: tuple[int, ...]) -> Scores:
        """Return a metric of one model per seed, as it is and under each draw."""
        key = (metric, models)
        if key not in self._scores:
            self._scores[key] = score(METRICS[metric], self.stacked(models), self.gold, self.resample)
        return self._scores[key]

    def stacked(self, models: Sequence[int]) -> Float[Array, "seeds items classes"]:
        """Return the test probabilities of one model per seed."""
        return np.stack([self.predictions[i] for i in models])

    def part(self, chosen: Bool[Array, "items"]) -> Measured:
        """Return the same on some of the test items, with the same draws."""
        rows = np.flatnonzero(chosen)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in rows),
            texts=tuple(self.texts[i] for i in rows),
            gold=self.gold[rows],
            slices={name: values[rows] for name, values in self.slices.items()},
            predictions=tuple(one[rows] for one in self.predictions),
            resample=replace(self.resample, item_weights=self.resample.item_weights[:, rows]),
            _scores={},
        )


def shared_resample(related: Int[Array, "items"], seeds: int, draws: int) -> Resample:
    """Return the draws that every row shares; related items (equal numbers) are drawn together."""
    grouped = len(np.unique(related)) < len(related)
    return resample(related if grouped else None, len(related), seeds, draws)


def terciles(values: Float[Array, "items"]) -> list[tuple[str, Bool[Array, "items"]]]:
    """Return up to three parts of equal size by value, each with the range it covers; ties stay together."""
    edges = np.unique(np.quantile(values, [0, 1 / 3, 2 / 3, 1]))
    parts = []
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = (values >= low) & ((values < high) if i < len(edges) - 2 else (values <= high))
        parts.append((f"{low:.2f} to {high:.2f}", inside))
    return parts if len(parts) > 1 else []
