"""Train, streamed: choose a penalty on a sample, then fit the probe to all labels in passes over the shards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.streamed.label import LABELS
from trimtab.stages.train import PROBING, Select, TrainProbe, fit_facts
from trimtab.types import Progress

SAMPLE = 10_000
"""About how many labelled items a penalty is chosen on: with so many and more, the choice hardly matters."""
STREAMING = (*PROBING, "trimtab.fit.streamed", "trimtab.fit.gathered", "trimtab.stages.streamed.train")


@dataclass(frozen=True)
class StreamedSelect(Select):
    """The penalty of a probe, chosen by held-out labels of a random sample of the items."""

    code: ClassVar[tuple[str, ...]] = (
        "trimtab.fit.select",
        "trimtab.fit.folds",
        "trimtab.stages.streamed.train",
        *PROBING,
    )

    @property
    def bulk_key(self) -> str | None:
        return None

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `selection.json`."""
        import numpy as np

        from trimtab.errors import FitError
        from trimtab.fit.select import select_strength

        parts = [one for one in _sampled(inputs, self.seed) if len(one[0])]
        if not parts:
            raise FitError("there is no item with a positive weight to choose a penalty on; keep more of the labels")
        values, labels, weights, keys = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        found = select_strength(values, labels, weights, keys, self.objective, self.fit, self.seed)
        progress(1, 1)
        return self.keep(found, out) | {"sampled": len(values)}


def _sampled(inputs: Mapping[str, Path], seed: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Yield activations, labels, weights and keys of a sample of the items that are told something, part by part."""
    import numpy as np

    from trimtab.stages.streamed.embed import read_activations
    from trimtab.stages.streamed.parts import parts_of, read_part, read_probabilities
    from trimtab.tasks.streamed.keys import mixed
    from trimtab.tasks.streamed.thresholds import below, bound_of_smallest

    source, items = inputs["labels"] / LABELS, inputs["data"] / "items.arrow"
    parts = range(parts_of(source))

    def numbered(part: int) -> tuple[Any, Any, Any]:
        rows, weights = read_part(source, part, "row", "weight")
        told = np.flatnonzero(weights > 0)
        # by row and not by key: the items of a large group are sampled like all others
        place = rows[told].astype(np.uint64) + (np.uint64(part) << np.uint64(32))
        return rows, told, mixed(place, "select", seed)

    bound = bound_of_smallest(lambda: (numbered(part)[2] for part in parts), SAMPLE)
    for part in parts:
        rows, told, numbers = numbered(part)
        chosen = told[below(numbers, bound)]
        (keys,), (weights,) = read_part(items, part, "key"), read_part(source, part, "weight")
        values = read_activations(inputs["activations"], part)[rows[chosen]]
        yield values, read_probabilities(source, part)[chosen], weights[chosen], keys[rows[chosen]]


@dataclass(frozen=True)
class StreamedTrainProbe(TrainProbe):
    """A linear head fitted to items that need not fit in memory."""

    code: ClassVar[tuple[str, ...]] = STREAMING

    @property
    def bulk_key(self) -> str | None:
        return None

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `head.safetensors` and `fit.json`."""
        from trimtab.fit.gathered import gathering
        from trimtab.fit.streamed import Chunk, fit_streamed
        from trimtab.stages.streamed.embed import read_activations
        from trimtab.stages.streamed.parts import parts_of, read_part, read_probabilities

        source = inputs["labels"] / LABELS
        selection = json.loads((inputs["selection"] / "selection.json").read_text("utf-8"))
        with gathering(work) as gathered:
            for part in range(parts_of(source)):
                rows, weights = read_part(source, part, "row", "weight")
                if len(rows):
                    values = read_activations(inputs["activations"], part)[rows]
                    gathered.add(Chunk(values, read_probabilities(source, part), weights))
            fitted = fit_streamed(gathered, self.objective, selection["strength"], self.fit, progress)
        return fit_facts(out, fitted, selection, gathered.items)
