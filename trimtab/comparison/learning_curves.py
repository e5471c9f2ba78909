"""Learning curves of a study: on how many labels the student is trained, and where a comparison finds the result."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

LEAST, MOST = 50, 5
"""Of a ladder of halves: its smallest size, and how many there are at most."""


@dataclass(frozen=True)
class LearningCurves:
    """At which numbers of labels the student is trained again."""

    sizes: tuple[int, ...] | None = None
    """Numbers of labels, ascending; the whole transfer split comes by itself. None = the transfer split's size halved
    up to 5 times, not below 50."""

    def __post_init__(self) -> None:
        if self.sizes is None:
            return
        if not self.sizes or min(self.sizes) < 2 or any(low >= high for low, high in pairwise(self.sizes)):
            raise ValueError(f"sizes must be ascending numbers of at least 2 labels, found {list(self.sizes)}")


def halves(items: int) -> tuple[int, ...]:
    """Return a number halved again and again, ascending and without itself.

    >>> halves(2000), halves(120)
    ((62, 125, 250, 500, 1000), (60,))
    """
    found = [items // 2**times for times in range(1, MOST + 1)]
    return tuple(size for size in reversed(found) if size >= LEAST)


@dataclass(frozen=True)
class Point:
    """The student after so many labels: positions, one per seed, in the comparison's lists of artifacts."""

    labels: tuple[int, ...]
    predictions: tuple[int, ...]


@dataclass(frozen=True)
class Curve:
    """Both curves of one pair, from the fewest labels to the whole transfer split."""

    weak: str
    strong: str
    supervisor: tuple[int, ...]
    """Positions of the supervisor's own predictions."""
    weak_labels: tuple[Point, ...]
    ground_truth: tuple[Point, ...]
