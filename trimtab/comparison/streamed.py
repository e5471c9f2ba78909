"""A tested study whose predictions do not fit in memory: every question is one pass over the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.comparison.cells import Cells
from trimtab.comparison.disagreements import Disagreements
from trimtab.comparison.parts import Part
from trimtab.comparison.tested import Models, Told
from trimtab.diagnostics.per_item import Means, PerItem
from trimtab.metrics import METRICS
from trimtab.metrics.agreement import Agreement, agreement_of_scores
from trimtab.metrics.calibration import CalibrationBin, calibration_curve
from trimtab.metrics.intervals import Resample, Scores
from trimtab.metrics.metric import ratio
from trimtab.metrics.paired import McNemar, mcnemar_of_counts
from trimtab.types import Array

MOST_BAGS = 1000
_ITEMS_A_BAG = 5


def bags_for(n_test: int) -> int:
    """Return into how many bags so many test items go: enough that a draw of bags varies as a draw of items does."""
    return int(np.clip(n_test // _ITEMS_A_BAG, 20, MOST_BAGS))


@dataclass(frozen=True)
class ItemsPart:
    """The test items of one part."""

    gold: Int[Array, "items"]
    bag: Int[Array, "items"]


@dataclass(frozen=True)
class Streamed:
    """The test split with every model's predictions on it, read part by part."""

    seeds: tuple[int, ...]
    resample: Resample
    """Draws of the bags."""
    counts: Int[Array, "classes"]
    """Test items of each class."""
    items: Callable[[int], ItemsPart]
    """Reads the test items of a part."""
    words: Callable[[int], tuple[Sequence[str], Sequence[str]]]
    """Reads their ids and texts, which few questions are about."""
    predictions: Callable[[int, int], Float[Array, "items classes"]]
    """Reads a model's test probabilities, by position and part."""
    pieces: int
    labels: Callable[[int], Told]
    """Counts a set of labels."""
    metrics: tuple[str, ...]
    """What is asked for; accuracy and ECE always are."""
    _scores: dict[Models, dict[str, Scores]] = field(default_factory=dict)
    _cells: dict[int, tuple[frozenset[int], tuple[Any, ...]]] = field(default_factory=dict)
    _told: dict[int, Told] = field(default_factory=dict)

    @property
    def n_test(self) -> int:
        """Number of test items."""
        return int(self.counts.sum())

    @property
    def tested_classes(self) -> frozenset[int]:
        """Classes that some test item has."""
        return frozenset(np.flatnonzero(self.counts).tolist())

    def scores(self, metric: str, models: Models) -> Scores:
        """Return a metric of one model per seed, as it is and under each draw."""
        if models not in self._scores:
            self._scores[models] = self._scored(models)
        return self._scores[models][metric]

    def agreement(self, student: Models, weak: Models) -> Agreement:
        """Return how often a student answers as its supervisor."""
        bags = self.resample.item_weights.shape[1]
        # [right or wrong supervisor, other or same answer] by bag
        counts = np.zeros((len(self.seeds), 2, 2, bags))
        for item, seed, ours, theirs in self._together(student, weak):
            answer = theirs.argmax(1)
            np.add.at(counts[seed], ((answer != item.gold) * 1, (ours.argmax(1) == answer) * 1, item.bag), 1)
        right, wrong = (self._share(counts[:, side, 1], counts[:, side].sum(1)) for side in (0, 1))
        totals = counts.sum((2, 3)).round().astype(int)
        return agreement_of_scores(right, wrong, totals[:, 0], totals[:, 1], self.resample)

    def means(self, student: Models, weak: Models, of: PerItem) -> Means:
        """Return the means over items of what two models together say of each item, per seed."""
        return self.joint((student, weak), of)

    def joint(self, models: Sequence[Models], of: Callable[..., Array]) -> Means:
        """Return the means over items of what several models together say of each item, per seed."""
        bags = self.resample.item_weights.shape[1]
        sums: list[Array | float] = [0.0] * len(self.seeds)
        items = np.zeros((len(self.seeds), bags))
        for item, seed, *told in self._together(*models):
            values = of(*told, item.gold)
            by_bag = np.zeros((bags, values.shape[1]))
            np.add.at(by_bag, item.bag, values)
            sums[seed] = sums[seed] + by_bag
            np.add.at(items[seed], item.bag, 1)
        drawn = [
            ratio(self._drawn(np.asarray(one)), self._drawn(n)[:, None]) for one, n in zip(sums, items, strict=True)
        ]
        point = [np.sum(one, 0) / n.sum() for one, n in zip(sums, items, strict=True)]
        return Means(np.stack(point), np.stack(drawn, 1))

    def mcnemar(self, a: Models, b: Models) -> McNemar:
        """Return whether two models are right equally often."""
        only = np.zeros((2, len(self.seeds)), int)
        for item, seed, first, second in self._together(a, b):
            right_a, right_b = (one.argmax(1) == item.gold for one in (first, second))
            only[0, seed] += (right_a & ~right_b).sum()
            only[1, seed] += (right_b & ~right_a).sum()
        return mcnemar_of_counts(only[0], only[1])

    def curve(self, models: Models) -> Sequence[CalibrationBin]:
        """Return the calibration curve of a model over all seeds together, from counts."""
        self.scores("ece", models)
        rows = [self._cells[position][1] for position in models]
        probabilities, gold, counts = (np.concatenate(columns) for columns in zip(*rows, strict=True))
        return calibration_curve(probabilities, gold, counts)

    def answers(self, models: Models) -> list[frozenset[int]]:
        """Return the classes that each seed's model ever answers."""
        self.scores("accuracy", models)
        return [self._cells[position][0] for position in models]

    def disagreements(self, weak: int, student: int, most: int) -> list[dict[str, Any]]:
        """Return the test items on which two models differ most, up to `most` of each kind of right and wrong."""
        found = Disagreements(most)
        for part in range(self.pieces):
            answers = self.predictions(weak, part), self.predictions(student, part)
            found.see(*self.words(part), self.items(part).gold, *answers)
        return found.chosen()

    def told(self, labels: int) -> Told:
        """Return the counts of one set of labels."""
        if labels not in self._told:
            self._told[labels] = self.labels(labels)
        return self._told[labels]

    def parts(self) -> list[Part]:
        """Return nothing: the parts of a split that is not in memory are not told apart."""
        return []

    def part(self, chosen: Bool[Array, "items"]) -> Streamed:
        """Streamed test items have no slices: nobody has anything to choose by."""
        raise ValueError("a streamed task has no slices to divide its test items by")

    def _together(self, *models: Models) -> Iterator[tuple[Any, ...]]:
        """Yield each part's items and a seed's place with the predictions of some models, seed by seed."""
        for part in range(self.pieces):
            item = self.items(part)
            for seed, positions in enumerate(zip(*models, strict=True)):
                yield item, seed, *(self.predictions(one, part) for one in positions)

    def _share(self, hits: Float[Array, "seeds bags"], base: Float[Array, "seeds bags"]) -> Scores:
        return Scores(ratio(hits.sum(1), base.sum(1)), ratio(self._drawn(hits.T), self._drawn(base.T)), (0.0, 1.0))

    def _drawn(self, counts: Float[Array, "bags *columns"]) -> Float[Array, "draws *columns"]:
        """Return the sums of counts over the bags of each draw, some draws at a time."""
        return np.concatenate([weights @ counts for _, weights in self.resample.chunks()])

    def _scored(self, models: Models) -> dict[str, Scores]:
        """Return all metrics of a model; the counts, which are large, are not kept."""
        wanted = dict.fromkeys((*self.metrics, "accuracy", "ece"))
        points: dict[str, list[float]] = {name: [] for name in wanted}
        draws: dict[str, list[Array]] = {name: [] for name in wanted}
        for position in models:
            for name, (point, drawn) in self._scored_one(position, wanted).items():
                points[name].append(point)
                draws[name].append(drawn)
        return {name: Scores(np.array(points[name]), np.stack(draws[name], 1), METRICS[name].bounds) for name in wanted}

    def _scored_one(self, position: int, metrics: Iterable[str]) -> dict[str, tuple[float, Float[Array, "draws"]]]:
        cells = self._counted(position)
        self._cells[position] = cells.answers, cells.curve_rows()
        once = np.ones((1, self.resample.item_weights.shape[1]))
        drawn = {
            name: np.concatenate([cells.score(name, weights) for _, weights in self.resample.chunks()])
            for name in metrics
        }
        return {name: (float(cells.score(name, once)[0]), values) for name, values in drawn.items()}

    def _counted(self, position: int) -> Cells:
        cells = Cells(self.resample.item_weights.shape[1], len(self.counts))
        for part in range(self.pieces):
            item = self.items(part)
            cells.see(self.predictions(position, part), item.gold, item.bag)
        return cells
