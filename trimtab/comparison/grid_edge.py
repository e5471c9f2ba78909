"""The warning that a probe's penalty was chosen at the edge of the values that were tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FURTHER = (0.1, 0.3)
"""Factors of the edge that a wider grid adds below it; above it their inverses."""


def edge_warnings(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each side of the grid at which fits chose, from what the fits say of themselves."""
    at_edge = [one for one in facts if one.get("strength_at_edge")]
    said = {}
    for one in at_edge:
        grid = tuple(sorted(one.get("strength_grid") or ()))
        said.setdefault((one["strength"], grid), []).append(one)
    return [_sentence(strength, grid, len(its), len(facts)) for (strength, grid), its in sorted(said.items())]


def wider(grid: Sequence[float], strength: float) -> list[float]:
    """Return the grid with two more values beyond the edge that was chosen.

    >>> wider([0.01, 0.1], 0.01), wider([0.01, 0.1], 0.1)
    ([0.001, 0.003, 0.01, 0.1], [0.01, 0.1, 0.3, 1.0])
    """
    factors = FURTHER if strength == min(grid) else [1 / factor for factor in FURTHER]
    return sorted({*grid, *(float(f"{strength * factor:.1g}") for factor in factors)})


def number(value: float) -> str:
    """Return a number as YAML reads it as one: without an exponent.

    >>> number(1e-05), number(10.0)
    ('0.00001', '10')
    """
    return np.format_float_positional(value, trim="-")


def _sentence(strength: float, grid: Sequence[float], chosen: int, fits: int) -> str:
    among = f"{chosen} of {fits} fits" if fits > 1 else "the fit"
    if not grid:
        return (
            f"The L2 penalty chosen by {among}, {number(strength)}, is the smallest or the largest of the values "
            "tried, so a better one may lie beyond it: widen it there, fit: {kind: probe, strengths: [...]}."
        )
    side, beyond = ("smallest", "below") if strength == min(grid) else ("largest", "above")
    tried = f"{len(grid)} values tried, {number(min(grid))} to {number(max(grid))}"
    listed = ", ".join(number(one) for one in wider(grid, strength))
    return (
        f"The L2 penalty chosen by {among}, {number(strength)}, is the {side} of the {tried}, so a better one may lie "
        f"{beyond} it. To try more, write fit: {{kind: probe, strengths: [{listed}]}}."
    )
