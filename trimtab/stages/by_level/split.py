"""Split by level: draw one seed's easy supervisor items and hard transfer items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.split import Split, stored_fields
from trimtab.tasks.by_level.settings import ByLevel


@dataclass(frozen=True)
class SplitByLevel(Split):
    """Membership of one seed, the kept easy items included."""

    split: ByLevel

    code: ClassVar[tuple[str, ...]] = ("trimtab.tasks.by_level", "trimtab.tasks.allocate")

    def stored(self, folder: Path) -> Any:
        """Return the pool of a data artifact."""
        from trimtab.tasks.by_level.pool import LevelPool

        return LevelPool(**stored_fields(folder))

    def members(self, pool: Any) -> Mapping[str, tuple[str, ...]]:
        """Return the ids of each of this seed's splits; raises TaskError where there are too few items."""
        from trimtab.tasks.by_level.pool import draw_levels

        return draw_levels(pool, self.split, self.seed)
