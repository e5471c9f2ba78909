"""Data by level: fix the hard test items, the easy items that are kept, and the pool of either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from trimtab.stages.data import Data
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.types import Items


@dataclass(frozen=True)
class DataByLevel(Data):
    """A task's items with a hard test split, easy items that are kept, and a pool of both."""

    split: ByLevel

    version: ClassVar[int] = 1

    @cached_property
    def fixed(self) -> tuple[Items, Any]:
        """The items, with a note on the split that the report repeats, and the pool."""
        from trimtab.tasks.by_level.pool import fix_levels

        items = self.task.read()
        said = (
            f"The split is by {self.split.by}: supervisors learn from items below {self.split.hard_from}, students and "
            f"ceilings are tested on items from {self.split.hard_from} on."
        )
        return replace(items, notes=(*items.notes, said)), fix_levels(items, self.split)

    def roles(self, pool: Any) -> Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]:
        """Return ids and relations of the test items, the pool and the kept items."""
        return {**super().roles(pool), "kept": (pool.kept, pool.kept_related)}
