"""The parts of the test split that scores are also shown for: by the task's own numbers, by length, by class."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.types import Array

LENGTH = "text length in characters"
NO_CUTS: Mapping[str, Sequence[float]] = MappingProxyType({})


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
    cuts: Mapping[str, Sequence[float]] = NO_CUTS,
) -> list[Part]:
    """Return parts by each number and by the length of the texts, cut where `cuts` says, else terciles; then the
    classes.

    Of one class only accuracy has a meaning: its share of right answers.
    """
    numbers = {**slices, LENGTH: np.array([len(text) for text in texts], float)}
    found = [
        Part(f"{name} {span}", inside)
        for name, values in numbers.items()
        for span, inside in (cut_at(values, cuts[name]) if name in cuts else terciles(values))
    ]
    present = [place for place in range(len(classes)) if (gold == place).any()]
    return found + [Part(f"class {classes[place]}", gold == place, "accuracy") for place in present]


def unknown_cuts(cuts: Mapping[str, Sequence[float]], slices: Collection[str]) -> list[dict[str, Any]]:
    """Return a warning for each number that is to be cut and that the task does not have."""
    known = sorted([*slices, LENGTH])
    return [
        {"code": "unknown_cut", "row": None, "text": f"cuts: no number is called {name}; there are {', '.join(known)}."}
        for name in cuts
        if name not in known
    ]


def cut_at(values: Float[Array, "items"], edges: Sequence[float]) -> list[tuple[str, Bool[Array, "items"]]]:
    """Return the parts between rising edges, each edge in the part below it; those without items are left out."""
    inner = [(f"above {low:g}, at most {high:g}", (values > low) & (values <= high)) for low, high in pairwise(edges)]
    parts = [
        (f"at most {edges[0]:g}", values <= edges[0]),
        *inner,
        (f"above {edges[-1]:g}", values > edges[-1]),
    ]
    return [(span, inside) for span, inside in parts if inside.any()]


def terciles(values: Float[Array, "items"]) -> list[tuple[str, Bool[Array, "items"]]]:
    """Return up to three parts of equal size by value, each with the range it covers; ties stay together."""
    edges = np.unique(np.quantile(values, [0, 1 / 3, 2 / 3, 1]))
    parts = []
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = (values >= low) & ((values < high) if i < len(edges) - 2 else (values <= high))
        parts.append((f"{low:.2f} to {high:.2f}", inside))
    return parts if len(parts) > 1 else []
