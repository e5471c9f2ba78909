"""Subset: some of the labels, as if the study were smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.stage import Stage
from trimtab.types import Labels, Progress


@dataclass(frozen=True)
class LabelSubset(Stage):
    """Some of the labels; those of a smaller number are among those of a larger one of the same seed."""

    labels: Stage
    items: int
    seed: int

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.subset", "trimtab.supervise.subset")

    @property
    def title(self) -> str:
        return f"{self.items} of the labels"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the chosen labels alone: items that are left out are not there with weight 0.

        Raises FitError where there are fewer labels than are asked for.
        """
        from trimtab.stages.tables import read_labels, write_labels
        from trimtab.supervise.subset import nested_subset

        every = read_labels(inputs["labels"])
        rows = nested_subset(every.ids, self.items, self.seed)
        chosen = tuple(every.ids[row] for row in rows)
        write_labels(out, Labels(chosen, every.probabilities[rows], every.weights[rows], every.truth))
        return {"items": len(rows), "truth": every.truth}
