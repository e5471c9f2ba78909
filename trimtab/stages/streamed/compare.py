"""Compare, streamed: from predictions in parts to the rows of results.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.digest import digest_of
from trimtab.stages.compare import DRAWS, Compare
from trimtab.stages.streamed.label import LABELS
from trimtab.stages.streamed.predict import PREDICTIONS


@dataclass(frozen=True)
class StreamedCompare(Compare):
    """All students, supervisors, ceilings and controls of an experiment on one test split."""

    def _measured(self, inputs: Mapping[str, Path], facts: Mapping[str, dict[str, Any]]) -> Any:
        """Return what answers the comparison's questions; it reads a part at a time."""
        import numpy as np

        from trimtab.comparison.streamed import ItemsPart, Streamed, bags_for
        from trimtab.metrics.intervals import resample
        from trimtab.stages.streamed.parts import TEST, read_part, read_probabilities
        from trimtab.tasks.streamed.keys import mixed

        data, known = inputs["data"], facts["data"]
        bags = bags_for(known["test"])

        def items(part: int) -> ItemsPart:
            keys, test = read_part(data / "items.arrow", part, "key", "test")
            (gold,) = read_part(data / "gold.arrow", part, "gold")
            rows = np.flatnonzero(test)
            bag = (mixed(keys[rows], "bag") % np.uint64(bags)).astype(np.int64)
            return ItemsPart(gold[rows].astype(np.int64), bag)

        def words(part: int) -> tuple[list[str], list[str]]:
            ids, texts, test = read_part(data / "items.arrow", part, "id", "text", "test")
            rows = np.flatnonzero(test)
            return [ids[row] for row in rows], [texts[row] for row in rows]

        def predictions(position: int, part: int) -> Any:
            source = inputs[f"predictions.{position}"] / PREDICTIONS
            (split,) = read_part(source, part, "split")
            return read_probabilities(source, part)[split == TEST]

        counts = np.zeros(len(known["classes"]), int)
        for part in range(known["parts"]):
            counts += np.bincount(items(part).gold, minlength=len(counts))
        return Streamed(
            seeds=self.seeds,
            resample=resample(None, bags, len(self.seeds), DRAWS),
            counts=counts,
            items=items,
            words=words,
            predictions=predictions,
            pieces=known["parts"],
            metrics=self.metrics,
            labels=lambda position: _told(inputs[f"labels.{position}"] / LABELS, data, known["parts"]),
        )

    def _dimensions(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        """Return nothing: neighbours are looked for in memory."""
        return {}

    def _overlaps(self, inputs: Mapping[str, Path], measured: Any) -> list[dict[str, Any]]:
        """Return nothing: so are cosines."""
        return []

    def _splits(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        """Return size and identity of the three splits; the test split is one for all seeds."""
        from trimtab.stages.streamed.parts import SPLITS, parts_of, read_part

        items = inputs["data"] / "items.arrow"
        drawn: dict[str, list[tuple[int, str]]] = {name: [] for name in SPLITS}
        for i in range(len(self.splits)):
            sums = {name: (hashlib.sha256(), [0]) for name in SPLITS}
            for part in range(parts_of(items)):
                (ids,) = read_part(items, part, "id")
                (split,) = read_part(inputs[f"splits.{i}"] / "membership.arrow", part, "split")
                for name, number in SPLITS.items():
                    rows = (split == number).nonzero()[0]
                    sums[name][0].update(json.dumps([ids[row] for row in rows]).encode())
                    sums[name][1][0] += len(rows)
            for name, (digest, count) in sums.items():
                drawn[name].append((count[0], digest.hexdigest()))
        drawn["test"] = drawn["test"][:1]
        found: dict[str, Any] = {
            name: {"n": its[0][0], "digest": digest_of([digest for _, digest in its])} for name, its in drawn.items()
        }
        for name in ("supervisor", "transfer"):
            pairs = zip(self.seeds, drawn[name], strict=True)
            found[name]["per_seed"] = [{"seed": seed, "digest": digest} for seed, (_, digest) in pairs]
        return found


def _told(labels: Path, data: Path, parts: int) -> Any:
    """Return the counts of one set of labels."""
    from trimtab.comparison.tested import Told
    from trimtab.stages.streamed.parts import read_part, read_probabilities, truth_of

    items = kept = 0
    right = weight = weighted = 0.0
    for part in range(parts):
        rows, weights = read_part(labels, part, "row", "weight")
        (gold,) = read_part(data / "gold.arrow", part, "gold")
        correct = read_probabilities(labels, part).argmax(1) == gold[rows] if len(rows) else weights > 0
        items, kept = items + len(rows), kept + int((weights > 0).sum())
        right, weight = right + float(correct.sum()), weight + float(weights.sum())
        weighted += float(weights @ correct)
    return Told(items, kept, right / items, weighted / weight, truth_of(labels))
