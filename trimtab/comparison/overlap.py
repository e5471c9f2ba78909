"""The overlap density of pairs of models: shares of the transfer items, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from jaxtyping import Float

from trimtab.comparison.labels import over_seeds
from trimtab.comparison.row import Row
from trimtab.diagnostics.overlap import Overlap, overlap_density
from trimtab.metrics.intervals import LEVEL, Interval
from trimtab.types import Array, Labels

MEASURES = tuple(field.name for field in fields(Overlap))


def overlaps_json(
    rows: Sequence[Row], labels: Sequence[Labels], states: Callable[[tuple[str, ...]], Float[Array, "items hidden"]]
) -> list[dict[str, Any]]:
    """Return the measures of every pair among a student's rows; a pair of a model with itself has none.

    `labels` are all labels of the comparison, `states` gives the student's activations of some items.
    """
    pairs = {(row.weak, row.strong): row.weak_labels for row in rows if not row.self_pair}
    return [
        {"weak": weak, "strong": strong, **_measures([labels[i] for i in positions], states)}
        for (weak, strong), positions in pairs.items()
    ]


def _measures(
    told: Sequence[Labels], states: Callable[[tuple[str, ...]], Float[Array, "items hidden"]]
) -> dict[str, Any]:
    found = [overlap_density(states(one.ids), one.probabilities) for one in told]
    undefined = next((one for one in found if isinstance(one, str)), None)
    if undefined is not None:
        method = "crossed_t" if len(found) > 1 else "items_only"
        nothing = Interval(None, None, None, LEVEL, method, undefined).to_json()
        return {name: dict(nothing) for name in MEASURES}
    known = [one for one in found if isinstance(one, Overlap)]
    return {name: over_seeds([getattr(one, name) for one in known]) for name in MEASURES}
