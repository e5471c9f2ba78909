"""What a study's data hold, from the task itself or from the artifact that was made of it before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.stages.data import Data
from trimtab.stages.split import Split
from trimtab.store import facts_of
from trimtab.tasks.second import SECOND, set_apart

_NUMBER = "slice:"


@dataclass(frozen=True)
class Held:
    """What is known of data that were read."""

    pool: Any
    prompt: str
    notes: tuple[str, ...]
    numbers: tuple[str, ...]
    """Names of the items' numbers, by which scores can be cut."""
    apart: tuple[str, ...] | None
    """Ids of the items that are set apart for a second goal; none where every seed draws its own."""

    @staticmethod
    def read(data: Data) -> Held:
        """Return what a task holds; raises TaskError where it cannot be used."""
        items, pool = data.fixed
        apart = set_apart(items, pool).ids if SECOND in (items.splits or ()) else None
        return Held(pool, items.prompt, tuple(items.notes), tuple(items.slices), apart)

    @staticmethod
    def stored(folder: Path, split: Split) -> Held:
        """Return what a data artifact holds."""
        import pyarrow.parquet as pq

        facts, path = facts_of(folder), folder / "items.parquet"
        numbers = [name.removeprefix(_NUMBER) for name in pq.read_schema(path).names if name.startswith(_NUMBER)]
        apart = None
        if "second" in facts:
            roles = pq.read_table(path, columns=["id", "role"]).to_pylist()
            apart = tuple(one["id"] for one in roles if one["role"] == SECOND)
        return Held(split.stored(folder), facts["prompt"], tuple(facts["notes"]), tuple(numbers), apart)
