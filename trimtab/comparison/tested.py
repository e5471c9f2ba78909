"""What a comparison asks of a tested study, whether its predictions lie in memory or are streamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Bool

from trimtab.comparison.parts import Part
from trimtab.diagnostics.per_item import Means, PerItem
from trimtab.metrics.agreement import Agreement
from trimtab.metrics.calibration import CalibrationBin
from trimtab.metrics.intervals import Resample, Scores
from trimtab.metrics.paired import McNemar
from trimtab.types import Array, Truth

Models = tuple[int, ...]
"""Positions of one model's predictions, one per seed."""


@dataclass(frozen=True)
class Told:
    """One set of labels on the transfer split, counted."""

    items: int
    kept: int
    """Labels with a weight."""
    accuracy: float
    """Share of all labels whose most probable class is true."""
    kept_accuracy: float
    """The same, each counted by its weight."""
    truth: Truth


class Tested(Protocol):
    """The test split with every model's predictions on it, under one shared resample."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order of every `Models`."""
        ...

    @property
    def resample(self) -> Resample:
        """The draws that all scores share."""
        ...

    @property
    def n_test(self) -> int:
        """Number of test items."""
        ...

    @property
    def tested_classes(self) -> frozenset[int]:
        """Classes that some test item has."""
        ...

    def scores(self, metric: str, models: Models) -> Scores:
        """Return a metric of one model per seed, as it is and under each draw."""
        ...

    def agreement(self, student: Models, weak: Models) -> Agreement:
        """Return how often a student answers as its supervisor."""
        ...

    def means(self, student: Models, weak: Models, of: PerItem) -> Means:
        """Return the means over items of what two models together say of each item, per seed."""
        ...

    def joint(self, models: Sequence[Models], of: Callable[..., Array]) -> Means:
        """Return the means over items of what several models together say of each item, per seed.

        `of` is given one array of class probabilities per model, then the truth, and returns a row of numbers per item.
        """
        ...

    def mcnemar(self, a: Models, b: Models) -> McNemar:
        """Return whether two models are right equally often."""
        ...

    def curve(self, models: Models) -> Sequence[CalibrationBin]:
        """Return the calibration curve of a model over all seeds together."""
        ...

    def answers(self, models: Models) -> list[frozenset[int]]:
        """Return the classes that each seed's model ever answers."""
        ...

    def disagreements(self, weak: int, student: int, most: int) -> list[dict[str, Any]]:
        """Return the test items on which two models differ most, up to `most` of each kind of right and wrong."""
        ...

    def told(self, labels: int) -> Told:
        """Return the counts of one set of labels."""
        ...

    def parts(self) -> Sequence[Part]:
        """Return the parts of the test split that scores are also shown for; empty where there are none."""
        ...

    def part(self, chosen: Bool[Array, "items"]) -> Tested:
        """Return the same on some of the test items, with the same draws."""
        ...
