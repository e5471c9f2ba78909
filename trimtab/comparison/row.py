"""What is put beside each other in one line of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One student of one pair: positions, one per seed, in the comparison's lists of artifacts."""

    key: str
    weak: str
    """Key of the weak supervisor, w0, w1, ..."""
    strong: str
    """Key of the strong student, s0, s1, ..."""
    method: str
    truth: str
    """Most ground truth that any part of the method reads."""
    control: str | None
    """Which control this is; none for a method."""
    self_pair: bool
    """Whether weak and strong are the same model and fit."""
    chain: tuple[str, ...]
    """What the models between supervisor and student are called."""
    ceiling_kind: str
    """`plain`, or the schedule that the ceiling shares with the student."""
    weak_predictions: tuple[int, ...]
    student_predictions: tuple[int, ...]
    ceiling_predictions: tuple[int, ...]
    weak_labels: tuple[int, ...]
    labels: tuple[int, ...]
    """What the student was told; empty where it was told nothing."""
    weak_fits: tuple[int, ...]
    student_fits: tuple[int, ...]
    """Positions of the students' fits; empty where nothing was fitted."""
    ceiling_fits: tuple[int, ...]


@dataclass(frozen=True)
class ConflictedRow(Row):
    """A student that was made to want something else too, beside the same student without that."""

    without_conflict: tuple[int, ...]
    """Predictions of the student by the same method without its conflict."""
    conflict: str
    """What the conflict is called."""
    second_items: int
    """True labels of a second goal that it has learnt; 0 where there is no such goal."""


@dataclass(frozen=True)
class Beside:
    """The rows of the same pair that a row is compared with, where they ran."""

    naive: Row | None
    flipped: Row | None
    """Control (a)."""

    @classmethod
    def of(cls, row: Row, rows: Sequence[Row]) -> Beside:
        """Return those of a row's pair."""
        pair = [one for one in rows if (one.weak, one.strong) == (row.weak, row.strong)]
        naive = next((one for one in pair if one.method == "naive" and not one.control), None)
        return cls(naive, next((one for one in pair if one.control == "flipped_truth"), None))
