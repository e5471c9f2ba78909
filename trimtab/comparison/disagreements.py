"""Test items on which student and supervisor disagree most, right ones and wrong ones, for people to read.

They are seen some at a time; of each kind only the strongest are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array

LONGEST_TEXT = 600


class Disagreements:
    """The strongest disagreements of each kind: student right, supervisor right, both wrong."""

    def __init__(self, most: int) -> None:
        """Keep up to `most` of each kind."""
        self._most = most
        self._kept: list[list[tuple[float, int, dict[str, Any]]]] = [[], [], []]
        self._seen = 0

    def see(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        gold: Int[Array, "items"],
        weak: Float[Array, "items classes"],
        student: Float[Array, "items classes"],
    ) -> None:
        """Look at some more items."""
        weak_right, student_right = weak.argmax(1) == gold, student.argmax(1) == gold
        distance = np.abs(weak - student).sum(1)
        disagree = student.argmax(1) != weak.argmax(1)
        kinds = (disagree & student_right, disagree & weak_right, disagree & ~student_right & ~weak_right)
        for kept, kind in zip(self._kept, kinds, strict=True):
            candidates = np.flatnonzero(kind)
            for i in candidates[np.argsort(-distance[candidates], kind="stable")][: self._most].tolist():
                one = {
                    "id": ids[i],
                    "text": texts[i][:LONGEST_TEXT],
                    "gold": int(gold[i]),
                    "weak": weak[i].tolist(),
                    "student": student[i].tolist(),
                    "student_right": bool(student_right[i]),
                    "weak_right": bool(weak_right[i]),
                }
                kept.append((-float(distance[i]), self._seen + i, one))
            kept.sort(key=lambda entry: entry[:2])
            del kept[self._most :]
        self._seen += len(gold)

    def chosen(self) -> list[dict[str, Any]]:
        """Return what was kept, kind after kind, the strongest first."""
        return [one for kept in self._kept for _, _, one in kept]
