"""The parts of the test split that scores are also shown for: by the task's own numbers, by length, by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.types import Array


@dataclass(frozen=True)
class Part:
    """Some of the test items."""

    name: str
    inside: Bool[Array, "items"]
    metric: str | None = None
    """What is shown for it; none is the study's main metric."""


def parts_of(
    slices: Mapping[str, Float[Array, "items"]],
    texts: Sequence[str],
    gold: Int[Array, "items"],
    classes: Sequence[str],
) -> list[Part]:
    """Return terciles of each number and of the length of the texts, then the classes.

    Of one class only accuracy has a meaning: its share of right answers.
    """
    lengths = {"text length in characters": np.array([len(text) for text in texts], float)}
    found = [
        Part(f"{name} {span}", inside)
        for name, values in (*slices.items(), *lengths.items())
        for span, inside in terciles(values)
    ]
    present = [place for place in range(len(classes)) if (gold == place).any()]
    return found + [Part(f"class {classes[place]}", gold == place, "accuracy") for place in present]


def terciles(values: Float[Array, "items"]) -> list[tuple[str, Bool[Array, "items"]]]:
    """Return up to three parts of equal size by value, each with the range it covers; ties stay together."""
    edges = np.unique(np.quantile(values, [0, 1 / 3, 2 / 3, 1]))
    parts = []
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = (values >= low) & ((values < high) if i < len(edges) - 2 else (values <= high))
        parts.append((f"{low:.2f} to {high:.2f}", inside))
    return parts if len(parts) > 1 else []
