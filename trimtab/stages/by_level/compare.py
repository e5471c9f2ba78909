"""Compare by level: the rows of the hard test items, and what each model keeps on the easy ones.

kept(m) = score of m on the kept easy items        against the supervisor: kept(m) - kept(weak), paired by item
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from trimtab.comparison.row import Row
from trimtab.stages.compare import Compare
from trimtab.types import Progress

NOT_ASKED = "This model was not asked about the kept easy items."


@dataclass(frozen=True)
class CompareByLevel(Compare):
    """All models of an experiment on one hard test split, and on the easy items that were kept."""

    code: ClassVar[tuple[str, ...]] = (*Compare.code, "trimtab.stages.by_level.compare")

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `results.json` with a block `kept` in every row that is about the whole test split."""
        from trimtab.store import facts_of, write_json

        told = super().run(inputs, out, work, progress)
        results = json.loads((out / "results.json").read_text("utf-8"))
        facts = {name: facts_of(folder) for name, folder in inputs.items()}
        kept = self._measured_on("kept", inputs, facts)
        found = {one["key"]: one for one in results["rows"]}
        for row in self.rows:
            elsewhere = _told_of_other_items(kept, row)
            for metric in self.metrics:
                one = found.get(f"{row.key}-{metric}")
                if one is None:  # a control that could not be asked has no row
                    continue
                one["kept"] = kept_json(kept, row, metric)
                if elsewhere:
                    one["labels"] |= {"weak": 0, "weak_accuracy": None}
        write_json(out / "results.json", results)
        return told

    def _measured_on(self, part: str, inputs: Mapping[str, Path], facts: Mapping[str, dict[str, Any]]) -> Any:
        """Read every prediction on one part; labels may be about supervisor items too, whose truth is in the data."""
        from trimtab.stages.tables import read_table, strings

        gold = read_table(inputs["data"] / "gold.parquet")
        known = dict(zip(strings(gold, "id"), gold["gold"].to_pylist(), strict=True))
        return replace(super()._measured_on(part, inputs, facts), transfer_gold=known)

    def _splits(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        """Return size and identity of the splits, the kept items included."""
        from trimtab.digest import digest_of
        from trimtab.stages.predict import evaluated

        ids, _ = evaluated(inputs["splits.0"], ("kept",))
        return {**super()._splits(inputs), "kept": {"n": len(ids), "digest": digest_of([list(ids)])}}


def kept_json(kept: Any, row: Row, metric: str) -> dict[str, Any]:
    """Return a row's scores on the kept easy items, and how far student and ceiling lie from their supervisor there."""
    import numpy as np

    from trimtab.metrics.intervals import difference_interval, mean_interval

    models = {
        "weak_score": row.weak_predictions,
        "student": row.student_predictions,
        "ceiling": row.ceiling_predictions,
    }
    scores = {
        name: kept.scores(metric, positions) if np.isfinite(kept.stacked(positions)).all() else None
        for name, positions in models.items()
    }
    unknown = {"mean": None, "low": None, "high": None, "reason": NOT_ASKED}

    def against(name: str) -> dict[str, Any]:
        one, weak = scores[name], scores["weak_score"]
        return unknown if one is None or weak is None else difference_interval(one, weak, kept.resample).to_json()

    return {
        "n_test": kept.n_test,
        **{
            name: unknown if one is None else mean_interval(one, kept.resample).to_json()
            for name, one in scores.items()
        },
        "student_against_weak": against("student"),
        "ceiling_against_weak": against("ceiling"),
    }


def _told_of_other_items(measured: Any, row: Row) -> bool:
    """Say whether a student was told nothing of the items that the weak labels are about."""
    told, weak = (
        {one for i in positions for one in measured.labels[i].ids} for positions in (row.labels, row.weak_labels)
    )
    return bool(told) and told.isdisjoint(weak)
