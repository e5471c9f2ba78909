"""Models that answer the same class for every test item: their score says nothing about what they learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trimtab.comparison.measured import Measured
from trimtab.comparison.row import Row


def one_class_warnings(measured: Measured, rows: Sequence[Row], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return a warning per model that predicts a single class on a test split that has several."""
    if len(np.unique(measured.gold)) < 2:
        return []
    named: dict[str, tuple[int, ...]] = {}
    for row in rows:
        named.setdefault(row.weak, row.weak_predictions)
        named.setdefault(f"{row.strong}-ceiling", row.ceiling_predictions)
        named.setdefault(row.key, row.student_predictions)
    found = []
    for key, models in named.items():
        answers = [np.unique(one.argmax(-1)) for one in measured.stacked(models)]
        single = [(seed, int(one[0])) for seed, one in zip(measured.seeds, answers, strict=True) if len(one) == 1]
        if single:
            found.append({"code": "one_class", "row": key, "text": _sentence(single, len(answers), classes)})
    return found


def _sentence(single: Sequence[tuple[int, int]], seeds: int, classes: Sequence[str]) -> str:
    """Say in which seeds which class is the only answer."""
    names = " or ".join(f'"{classes[number]}"' for number in sorted({number for _, number in single}))
    where = "in every seed" if len(single) == seeds else f"in seed {', '.join(str(seed) for seed, _ in single)}"
    return f"Every test item is called {names} {where}: the model tells nothing apart; too few or too weak labels?"
