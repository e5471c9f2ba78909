"""Split: draw one seed's supervisor and transfer items from the pool; the test items are the same for all seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.stage import Stage
from trimtab.tasks.splits import Pool, SplitSettings
from trimtab.types import Progress


@dataclass(frozen=True)
class Split(Stage):
    """Membership of one seed."""

    data: Stage
    split: SplitSettings
    seed: int

    kind: ClassVar[str] = "split"
    code: ClassVar[tuple[str, ...]] = ("trimtab.tasks.splits", "trimtab.tasks.allocate")

    @property
    def title(self) -> str:
        return f"split, seed {self.seed}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `membership.parquet`: id, split."""
        from trimtab.stages.tables import write_table
        from trimtab.tasks.splits import draw

        members = draw(stored_pool(inputs["data"]), self.split, self.seed)
        sides = {"supervisor": members.supervisor, "transfer": members.transfer, "test": members.test}
        ids = [one for side in sides.values() for one in side]
        splits = [name for name, side in sides.items() for _ in side]
        write_table(out / "membership.parquet", {"id": ids, "split": splits})
        return {name: len(side) for name, side in sides.items()}


def stored_pool(data: Path) -> Pool:
    """Return the pool of a data artifact."""
    stored = json.loads((data / "pool.json").read_text("utf-8"))
    fields: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in stored.items()}
    return Pool(**fields)
