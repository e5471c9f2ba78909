"""Test items on which student and supervisor disagree most, right ones and wrong ones, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trimtab.comparison.measured import Measured
from trimtab.comparison.row import Row

PER_KIND = 4
LONGEST_TEXT = 600


def examples(measured: Measured, rows: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """Return the first seed's strongest disagreements of each method, a few of each kind."""
    return [one for row in rows if not row.control for one in _of_row(measured, row, metric)]


def _of_row(measured: Measured, row: Row, metric: str) -> list[dict[str, Any]]:
    weak = measured.predictions[row.weak_predictions[0]]
    student = measured.predictions[row.student_predictions[0]]
    weak_answer, student_answer = weak.argmax(1), student.argmax(1)
    distance = np.abs(weak - student).sum(1)
    student_right, weak_right = student_answer == measured.gold, weak_answer == measured.gold
    disagree = student_answer != weak_answer
    found = []
    for kind in (disagree & student_right, disagree & weak_right, disagree & ~student_right & ~weak_right):
        candidates = np.flatnonzero(kind)
        for i in candidates[np.argsort(-distance[candidates], kind="stable")][:PER_KIND]:
            found.append(
                {
                    "key": f"{row.key}-{metric}",
                    "id": measured.ids[i],
                    "text": measured.texts[i][:LONGEST_TEXT],
                    "gold": int(measured.gold[i]),
                    "weak": weak[i].tolist(),
                    "student": student[i].tolist(),
                    "student_right": bool(student_right[i]),
                    "weak_right": bool(weak_right[i]),
                }
            )
    return found
