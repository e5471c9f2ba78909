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

        sides = self.members(self.stored(inputs["data"]))
        ids = [one for side in sides.values() for one in side]
        splits = [name for name, side in sides.items() for _ in side]
        write_table(out / "membership.parquet", {"id": ids, "split": splits})
        return {name: len(side) for name, side in sides.items()}

    def stored(self, folder: Path) -> Any:
        """Return the pool of a data artifact."""
        return stored_pool(folder)

    def members(self, pool: Any) -> Mapping[str, tuple[str, ...]]:
        """Return the ids of each of this seed's splits; raises TaskError where there are too few items."""
        from trimtab.tasks.splits import draw

        found = draw(pool, self.split, self.seed)
        return {"supervisor": found.supervisor, "transfer": found.transfer, "test": found.test}


def stored_pool(folder: Path) -> Pool:
    """Return the pool of a data artifact."""
    return Pool(**stored_fields(folder))


def stored_fields(folder: Path) -> dict[str, Any]:
    """Return the fields of the pool in a data artifact."""
    stored = json.loads((folder / "pool.json").read_text("utf-8"))
    return {key: tuple(one) if isinstance(one, list) else one for key, one in stored.items()}
