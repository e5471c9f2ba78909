"""What is said when there are too few items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from trimtab.errors import TaskError
from trimtab.tasks.membership import SplitSettings
from trimtab.tasks.related import Candidates
from trimtab.tasks.values import some


def sizes_missing(settings: SplitSettings, names: Sequence[str], usable: int) -> TaskError:
    """Return the error for sizes that must be given because the data set has no split of its own."""
    missing = [name for name in names if vars(settings)[name] is None]
    return TaskError(
        f"The size of {' and '.join(missing)} is not given and the data set has no such split of its own; "
        f"wanted a number of items for each. {usable} items can be used: for example {usable // 3} each."
    )


def too_few(what: str, found: int, wanted: int, candidates: Candidates, dropped: Mapping[str, int]) -> TaskError:
    """Return the error for a split that cannot be as large as asked for, with the numbers that led there."""
    left = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "none"
    largest = max(Counter(candidates.related.tolist()).values(), default=0)
    related = (
        f" The largest set of related items (group, template or near duplicates) has {largest}." if largest > 1 else ""
    )
    return TaskError(
        f"Too few items for {what}: found {found}, wanted {wanted}. {candidates.read} items were read; left "
        f"out: {left}.{related} Make supervisor, transfer, test or pool smaller, add items, or loosen the "
        "task's own filter."
    )


def check_every_class(candidates: Candidates) -> None:
    """Raise TaskError where a class has no item that can be used."""
    counts = np.bincount(candidates.gold, minlength=len(candidates.classes))
    for name, count in zip(candidates.classes, counts, strict=True):
        if count == 0:
            raise TaskError(
                f'Class "{name}" has no items: {candidates.read} items were read and {len(candidates.ids)} '
                "are left without duplicates, none of it. Add items of this class, or leave it out of the "
                "classes."
            )


def check_trainable(split: str, classes: Sequence[str], counts: Sequence[int]) -> None:
    """Raise TaskError where a split that is trained on lacks a class."""
    for name, count in zip(classes, counts, strict=True):
        if count == 0:
            shares = some([f"{one}: {number}" for one, number in zip(classes, counts, strict=True)])
            raise TaskError(
                f'The {split} split has no item of class "{name}" ({shares}); a model that is trained on it '
                f"needs some of every class. Make the {split} split larger, add items of this class, or "
                "leave it out of the classes."
            )
