"""Conflict: who is in the second goal's split, and what a student is told that is to want something else too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from trimtab.stages.stage import Stage
from trimtab.types import Progress, most_truth

SECOND_GOLD = "second_gold.parquet"
"""Ground truth of the second goal, beside that of the first in the data: id, gold; -1 where it is unknown."""


@dataclass(frozen=True)
class SplitSecond(Stage):
    """The items of one seed whose second goal is learnt."""

    data: Stage
    split: Stage
    """The other three splits, which share no related item with this one."""
    size: int
    split_seed: int
    seed: int

    kind: ClassVar[str] = "second_split"
    code: ClassVar[tuple[str, ...]] = ("trimtab.tasks.second", "trimtab.tasks.allocate", "trimtab.tasks.related")

    @property
    def title(self) -> str:
        return f"split of the second goal, seed {self.seed}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `membership.parquet`: id, split."""
        from trimtab.stages.split import stored_pool
        from trimtab.stages.tables import read_table, strings, write_table
        from trimtab.tasks.second import SECOND, draw_second, part_of_own

        items = read_table(inputs["data"] / "items.parquet", ["id", "role"])
        own = [one for one, role in zip(strings(items, "id"), strings(items, "role"), strict=True) if role == SECOND]
        if own:
            ids = part_of_own(own, self.size, self.split_seed)
        else:
            taken = strings(read_table(inputs["split"] / "membership.parquet", ["id"]), "id")
            ids = draw_second(stored_pool(inputs["data"]), taken, self.size, self.split_seed, self.seed)
        write_table(out / "membership.parquet", {"id": list(ids), "split": [SECOND] * len(ids)})
        return {"second": len(ids), "own": bool(own)}


@dataclass(frozen=True)
class LabelImplicit(Stage):
    """Labels of the transfer items, then true labels of the second goal on items of its own."""

    labels: Stage
    data: Stage
    second: Stage
    weight: float

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.conflicts.implicit", "trimtab.stages.conflict")

    @property
    def title(self) -> str:
        return "labels with those of a second goal"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write both sets of labels as one.

        Raises TaskError where an item has no truth of the second goal.
        """
        from trimtab.conflicts.implicit import with_second_goal
        from trimtab.errors import TaskError
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings, write_labels

        before = read_labels(inputs["labels"])
        ids = strings(read_table(inputs["second"] / "membership.parquet", ["id"]), "id")
        path = inputs["data"] / SECOND_GOLD
        if not path.is_file():
            raise TaskError("The task's items have no ground truth of a second goal; give Items.second_gold.")
        table = read_table(path)
        gold = table["gold"].to_numpy()[rows_of(strings(table, "id"), ids)]
        if gold.min() < 0:
            raise TaskError(f"{int((gold < 0).sum())} items of the second split have no ground truth of their goal.")
        after = with_second_goal(before, ids, gold, self.weight)
        write_labels(out, after)
        return {"items": len(after.ids), "second": len(ids), "truth": after.truth}


@dataclass(frozen=True)
class LabelExplicit(Stage):
    """Labels that pay a student for being wrong where it was wrong after the round before."""

    labels: Stage
    """What it would be told without the conflict."""
    predictions: Stage
    """What it says of the same items after the round before."""
    alpha: float
    gate: Literal["truth", "weak_label"]
    gold: Stage | None = None
    """Ground truth of the items, for the gate on it alone."""

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.conflicts.explicit", "trimtab.stages.conflict")

    @property
    def title(self) -> str:
        return "labels that pay for errors"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the changed labels and weights of the same items."""
        from trimtab.conflicts.explicit import paid_for_errors
        from trimtab.stages.tables import read_labels, read_predictions, rows_of, write_labels
        from trimtab.types import Labels

        before, found = read_labels(inputs["labels"]), read_predictions(inputs["predictions"])
        gate = read_labels(inputs["gold"]) if "gold" in inputs else before
        right = gate.probabilities[rows_of(gate.ids, before.ids)].argmax(1)
        answers = found.probabilities[rows_of(found.ids, before.ids)].argmax(1)
        labels, weights = paid_for_errors(before.probabilities, before.weights, right, answers, self.alpha)
        after = Labels(before.ids, labels, weights, most_truth([before.truth, gate.truth]))
        write_labels(out, after)
        return {"items": len(after.ids), "paid": int((answers != right).sum()), "truth": after.truth}
