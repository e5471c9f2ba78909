"""Studies whose second goal and blind spots are planted, on features in the place of models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.experiment import Experiment, parse
from trimtab.tasks.features import Features
from trimtab.types import Items

PROBE = {"kind": "probe", "strengths": [0.001, 0.01, 0.1], "folds": 2}


@dataclass(frozen=True)
class TwoGoals(Features):
    """Items of a features task that have the truth of a second goal in the file `second.parquet` beside it."""

    second_goal: ClassVar[str] = "another one"

    def read(self) -> Items:
        """Return the items with both truths."""
        items = super().read()
        known = pq.read_table(Path(self.path).with_name("second.parquet")).to_pydict()
        second = dict(zip(known["id"], known["gold"], strict=True))
        return replace(items, second_gold=np.array([second[name] for name in items.ids]))


def write(folder: Path, weak: np.ndarray, strong: np.ndarray, gold: np.ndarray, second: np.ndarray) -> None:
    """Write what both models see of each item, and both truths."""
    ids = [f"i{number:04d}" for number in range(len(gold))]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": ids, "label": np.array(["no", "yes"])[gold].tolist()}), folder / "labels.parquet")
    pq.write_table(pa.table({"id": ids, "gold": second}), folder / "second.parquet")
    for name, values in (("weak", weak), ("strong", strong)):
        columns = {f"f{place}": column for place, column in enumerate(values.T.astype(np.float32))}
        pq.write_table(pa.table({"id": ids, **columns}), folder / f"{name}.parquet")


def blind_supervisor(folder: Path, items: int = 1200) -> None:
    """Write items with truth [a + b > 0] of which the supervisor sees a alone; the second goal is [a > b]."""
    a, b = np.random.default_rng(0).normal(size=(2, items))
    write(folder, np.stack([a], 1), np.stack([a, b], 1), (a + b > 0).astype(int), (a > b).astype(int))


def half_blind_supervisor(folder: Path, items: int = 1600) -> None:
    """Write items of two kinds: of one the supervisor sees all, of the other little; there the second goal wants the
    opposite."""
    generator = np.random.default_rng(1)
    a, b, noise, other = generator.normal(size=(4, items))
    kind = generator.random(items) < 0.5
    gold = np.where(kind, a, b) + 0.3 * other > 0
    weak = np.stack([a * kind, (b + 2 * noise) * ~kind], 1)
    strong = np.stack([a * kind, b * ~kind], 1)
    write(folder, weak, strong, gold.astype(int), np.where(kind, a > 0, b < 0).astype(int))


def experiment(folder: Path, methods: list[Any], seeds: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Experiment:
    """Return a study on the features of a folder with a second goal."""
    task = {"kind": "features", "path": str(folder / "labels.parquet"), "supervisor": 200, "transfer": 300, "test": 400,
            "second": 300}  # fmt: skip
    values = {
        "name": "conflict", "task": task | changes.pop("task", {}), "split": {"pool": 1200},
        "weak": [{"model": str(folder / "weak.parquet"), "fit": PROBE}],
        "strong": [{"model": str(folder / "strong.parquet"), "fit": PROBE}],
        "methods": methods, "seeds": list(seeds), "controls": False, "metrics": ["accuracy"],
    }  # fmt: skip
    found = parse(values | changes, folder)
    return replace(found, task=TwoGoals(found.task.path))
