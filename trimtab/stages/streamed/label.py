"""Label, streamed: what a student is told, part by part.

A label step is a function of all labels of the transfer split: it alone holds them in memory, 8 bytes a class and row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.label import LabelFlipped, LabelGold, LabelModel, LabelStepped, stepped
from trimtab.types import Labels, Progress

LABELS = "labels.arrow"


@dataclass(frozen=True)
class StreamedLabelGold(LabelGold):
    """Ground truth of one split."""

    code: ClassVar[tuple[str, ...]] = ("trimtab.supervise.gold", "trimtab.stages.streamed.label")

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.stages.streamed.parts import SPLITS, labels_schema, parts_of, read_part, writing
        from trimtab.stages.tables import probability_columns
        from trimtab.supervise.gold import gold_labels

        classes = len(json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"])
        items, told = inputs["data"] / "items.arrow", 0
        parts = parts_of(items)
        with writing(out / LABELS, labels_schema(classes, self.truth)) as table:
            for part in range(parts):
                (split,) = read_part(inputs["split"] / "membership.arrow", part, "split")
                rows = np.flatnonzero(split == SPLITS[self.part])
                (ids,), (gold,) = read_part(items, part, "id"), read_part(inputs["data"] / "gold.arrow", part, "gold")
                wanted = tuple(ids[row] for row in rows)
                labels = gold_labels(wanted, gold[rows].astype(np.int64), classes, self.truth)
                columns = probability_columns(labels.probabilities)
                table.write({"row": rows.astype(np.uint32), "id": wanted, **columns, "weight": labels.weights})
                told += len(rows)
                progress(part + 1, parts)
        return {"items": told, "truth": self.truth}


@dataclass(frozen=True)
class StreamedLabelModel(LabelModel):
    """A supervisor's class probabilities on the transfer split, as soft labels."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.stages.streamed.parts import (
            TRANSFER,
            classes_of,
            labels_schema,
            parts_of,
            read_part,
            read_probabilities,
            writing,
        )
        from trimtab.stages.streamed.predict import PREDICTIONS
        from trimtab.stages.tables import probability_columns

        source = inputs["predictions"] / PREDICTIONS
        told, parts = 0, parts_of(source)
        with writing(out / LABELS, labels_schema(classes_of(source), self.truth)) as table:
            for part in range(parts):
                rows, ids, split = read_part(source, part, "row", "id", "split")
                chosen = np.flatnonzero(split == TRANSFER)
                columns = probability_columns(read_probabilities(source, part)[chosen])
                weight = np.ones(len(chosen))
                table.write({"row": rows[chosen], "id": [ids[i] for i in chosen], **columns, "weight": weight})
                told += len(chosen)
                progress(part + 1, parts)
        return {"items": told, "truth": self.truth}


@dataclass(frozen=True)
class StreamedLabelStepped(LabelStepped):
    """Labels after one step."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.stages.streamed.parts import (
            labels_schema,
            parts_of,
            read_part,
            read_probabilities,
            truth_of,
            writing,
        )
        from trimtab.stages.tables import probability_columns

        source = inputs["labels"] / LABELS
        parts = parts_of(source)
        read = [
            (*read_part(source, part, "row", "id", "weight"), read_probabilities(source, part)) for part in range(parts)
        ]
        before = Labels(
            tuple(one for part in read for one in part[1]),
            np.concatenate([part[3] for part in read]),
            np.concatenate([part[2] for part in read]),
            truth_of(source),
        )
        after = stepped(self.step, before)
        ends = np.cumsum([len(part[0]) for part in read])
        with writing(out / LABELS, labels_schema(before.probabilities.shape[1], after.truth)) as table:
            for (rows, ids, *_), end in zip(read, ends, strict=True):
                place = slice(int(end) - len(rows), int(end))
                columns = probability_columns(after.probabilities[place])
                table.write({"row": rows, "id": ids, **columns, "weight": after.weights[place]})
        return {"items": len(after.ids), "kept": int((after.weights > 0).sum()), "truth": after.truth}


@dataclass(frozen=True)
class StreamedLabelFlipped(LabelFlipped):
    """Control (a): ground truth with the weak labels' per-class error rate at random."""

    code: ClassVar[tuple[str, ...]] = ("trimtab.supervise.flipped_truth", "trimtab.stages.streamed.label")

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.stages.streamed.parts import (
            classes_of,
            labels_schema,
            parts_of,
            read_part,
            read_probabilities,
            writing,
        )
        from trimtab.stages.tables import probability_columns
        from trimtab.supervise.flipped_truth import STREAM, confusion_counts, confusion_rates, flipped

        gold, weak = (inputs[name] / LABELS for name in ("gold", "weak"))
        parts, classes = parts_of(gold), classes_of(gold)
        counts, told = np.zeros((classes, classes)), 0
        for part in range(parts):
            true_class, answer = (read_probabilities(one, part).argmax(1) for one in (gold, weak))
            counts += confusion_counts(true_class, answer, classes)
        with writing(out / LABELS, labels_schema(classes, self.truth)) as table:
            for part in range(parts):
                rows, ids, weight = read_part(gold, part, "row", "id", "weight")
                generator = np.random.default_rng([self.seed, STREAM, part])
                drawn = flipped(read_probabilities(gold, part).argmax(1), confusion_rates(counts), generator)
                table.write({"row": rows, "id": ids, **probability_columns(drawn), "weight": weight})
                told += len(rows)
                progress(part + 1, parts)
        return {"items": told, "truth": self.truth}
