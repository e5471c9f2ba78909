"""The test split with every model's predictions on it, and scores under one shared resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.comparison.disagreements import Disagreements
from trimtab.comparison.parts import Part, parts_of
from trimtab.comparison.tested import Models, Told
from trimtab.diagnostics.per_item import Means, PerItem, means
from trimtab.metrics import METRICS
from trimtab.metrics.accuracy import correct
from trimtab.metrics.agreement import Agreement, agreement
from trimtab.metrics.calibration import CalibrationBin, calibration_curve
from trimtab.metrics.intervals import Resample, Scores, resample, score
from trimtab.metrics.paired import McNemar, mcnemar
from trimtab.types import Array, Labels


@dataclass(frozen=True)
class Measured:
    """Everything that a comparison reads, aligned on the test items."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    gold: Int[Array, "items"]
    classes: tuple[str, ...]
    slices: Mapping[str, Float[Array, "items"]]
    seeds: tuple[int, ...]
    predictions: tuple[Float[Array, "items classes"], ...]
    """Test probabilities of every model."""
    labels: tuple[Labels, ...]
    """Every set of labels on the transfer split."""
    transfer_gold: Mapping[str, int]
    """True class of every transfer item of any seed, for reporting how right labels are."""
    resample: Resample
    cuts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Where the parts by a number are cut."""
    _scores: dict[tuple[str, tuple[int, ...]], Scores] = field(default_factory=dict)

    def scores(self, metric: str, models: tuple[int, ...]) -> Scores:
        """Return a metric of one model per seed, as it is and under each draw."""
        key = (metric, models)
        if key not in self._scores:
            self._scores[key] = score(METRICS[metric], self.stacked(models), self.gold, self.resample)
        return self._scores[key]

    @property
    def n_test(self) -> int:
        """Number of test items."""
        return len(self.gold)

    @property
    def tested_classes(self) -> frozenset[int]:
        """Classes that some test item has."""
        return frozenset(np.unique(self.gold).tolist())

    def agreement(self, student: Models, weak: Models) -> Agreement:
        """Return how often a student answers as its supervisor."""
        return agreement(self.stacked(student), self.stacked(weak), self.gold, self.resample)

    def means(self, student: Models, weak: Models, of: PerItem) -> Means:
        """Return the means over items of what two models together say of each item, per seed."""
        return self.joint((student, weak), of)

    def joint(self, models: Sequence[Models], of: Callable[..., Array]) -> Means:
        """Return the means over items of what several models together say of each item, per seed."""
        by_seed = zip(*(self.stacked(one) for one in models), strict=True)
        return means(np.stack([of(*told, self.gold) for told in by_seed]), self.resample)

    def mcnemar(self, a: Models, b: Models) -> McNemar:
        """Return whether two models are right equally often."""
        right = [correct(self.stacked(models), self.gold) for models in (a, b)]
        return mcnemar(right[0], right[1])

    def curve(self, models: Models) -> Sequence[CalibrationBin]:
        """Return the calibration curve of a model over all seeds together."""
        stacked = self.stacked(models)
        return calibration_curve(stacked.reshape(-1, stacked.shape[-1]), np.tile(self.gold, len(self.seeds)))

    def answers(self, models: Models) -> list[frozenset[int]]:
        """Return the classes that each seed's model ever answers."""
        return [frozenset(np.unique(one.argmax(-1)).tolist()) for one in self.stacked(models)]

    def disagreements(self, weak: int, student: int, most: int) -> list[dict[str, Any]]:
        """Return the test items on which two models differ most, up to `most` of each kind of right and wrong."""
        found = Disagreements(most)
        found.see(self.ids, self.texts, self.gold, self.predictions[weak], self.predictions[student])
        return found.chosen()

    def told(self, labels: int) -> Told:
        """Return the counts of one set of labels."""
        one = self.labels[labels]
        gold = np.array([self.transfer_gold[name] for name in one.ids])
        right = one.probabilities.argmax(1) == gold
        kept = float(np.average(right, weights=one.weights))
        return Told(len(one.ids), int((one.weights > 0).sum()), float(right.mean()), kept, one.truth)

    def stacked(self, models: Sequence[int]) -> Float[Array, "seeds items classes"]:
        """Return the test probabilities of one model per seed."""
        return np.stack([self.predictions[i] for i in models])

    def parts(self) -> list[Part]:
        """Return the parts of the test split that scores are also shown for."""
        return parts_of(self.slices, self.texts, self.gold, self.classes, self.cuts)

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
