"""Models that answer the same class for every test item: their score says nothing about what they learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.comparison.row import Row
from trimtab.comparison.tested import Models, Tested


def one_class_warnings(tested: Tested, rows: Sequence[Row], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return a warning per model that predicts a single class on a test split that has several."""
    if len(tested.tested_classes) < 2:
        return []
    named: dict[str, Models] = {}
    for row in rows:
        named.setdefault(row.weak, row.weak_predictions)
        named.setdefault(f"{row.strong}-ceiling", row.ceiling_predictions)
        named.setdefault(row.key, row.student_predictions)
    found = []
    for key, models in named.items():
        answers = tested.answers(models)
        single = [(seed, min(one)) for seed, one in zip(tested.seeds, answers, strict=True) if len(one) == 1]
        if single:
            found.append({"code": "one_class", "row": key, "text": _sentence(single, len(answers), classes)})
    return found


def _sentence(single: Sequence[tuple[int, int]], seeds: int, classes: Sequence[str]) -> str:
    """Say in which seeds which class is the only answer."""
    names = " or ".join(f'"{classes[number]}"' for number in sorted({number for _, number in single}))
    where = "in every seed" if len(single) == seeds else f"in seed {', '.join(str(seed) for seed, _ in single)}"
    return f"Every test item is called {names} {where}: the model tells nothing apart; too few or too weak labels?"
