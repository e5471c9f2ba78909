"""Which items are easy and which are hard."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from trimtab.errors import TaskError
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.values import some
from trimtab.types import Array, Items


def levels_of(items: Items, name: str) -> Int[Array, "items"]:
    """Return each item's level.

    Raises TaskError where the task has no such number, or not whole ones.
    """
    if name not in items.slices:
        there = f"its numbers are {some(sorted(items.slices))}" if items.slices else "it has no numbers"
        raise TaskError(
            f'split.by is "{name}", and the task has no such number for its items ({there}). Take a task with levels '
            f"(arithmetic, word_problems), or name a column of whole numbers: task: {{kind: file, slices: [{name}]}}."
        )
    values = np.asarray(items.slices[name], float)
    odd = np.flatnonzero(~(values == np.round(values)))  # a gap (NaN) equals nothing
    if len(odd):
        raise TaskError(
            f'"{name}", by which the split is made, must be a whole number for every item: item {items.ids[odd[0]]}, '
            f'"{items.texts[odd[0]]:.60}", has {values[odd[0]]:g}. Round it, or name another number under split.by.'
        )
    return values.astype(np.int64)


def is_hard(levels: Int[Array, "items"], settings: ByLevel) -> Bool[Array, "items"]:
    """Return which items are hard.

    Raises TaskError where all or none are, with the levels that were found.
    """
    hard = levels >= settings.hard_from
    found = np.unique(levels).tolist()
    if len(found) == 1:
        raise TaskError(f"All items have {settings.by} {found[0]}; a split by level needs easy items and hard ones.")
    if hard.all() or not hard.any():
        side = "easy" if hard.all() else "hard"
        wanted = f"a number from {found[1]} to {found[-1]}" if len(found) > 2 else str(found[1])
        raise TaskError(
            f"split.hard_from is {settings.hard_from}, which leaves no {side} items: the levels found are "
            f"{some([str(one) for one in found])}. Take {wanted}."
        )
    return hard
