"""Data: read a task, remove duplicates, fix the test items and the pool from which every seed draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import settings_of
from trimtab.stages.stage import Stage
from trimtab.tasks.membership import Pool, SplitSettings
from trimtab.types import Items, Progress

SIDES = ("side:first", "side:second")
"""Columns of the items of a task of pairs: what a model reads of each answer."""
CHOICES = "choices"
"""Column of the items of a task of choices: what a model reads of each of an item's own answers."""


def identity_of(task: Any, split: SplitSettings) -> dict[str, Any]:
    """Return a task's settings with the fingerprint of its data; a user's own task counts its source code."""
    from trimtab.digest import source_digest

    settings = settings_of(task)
    # the fingerprint says what lies there, wherever it lies
    for name in ("path", "transfer_path", "test_path", "second_path"):
        settings.pop(name, None)
    told = {"kind": task.kind, "settings": settings, "data": task.fingerprint()}
    return {"task": told | {"source": source_digest(type(task).__module__)}, "split": settings_of(split)}


@dataclass(frozen=True)
class Data(Stage):
    """A task's items with a fixed test split and a fixed pool."""

    task: Any
    """Settings of a task: any object with `read()`, `fingerprint()` and `kind`."""
    split: SplitSettings
    """What decides test split and pool (`SplitSettings.of_pool`)."""

    kind: ClassVar[str] = "data"

    @cached_property
    def settings(self) -> dict[str, Any]:
        return identity_of(self.task, self.split)

    @cached_property
    def fixed(self) -> tuple[Items, Pool]:
        """The items, the test split and the pool; read once by whoever asks first, before the stage runs or in it."""
        from trimtab.tasks.choice_items import as_one_class
        from trimtab.tasks.second import of_first_goal
        from trimtab.tasks.splits import fix_pool

        items = self.task.read()
        return items, fix_pool(of_first_goal(as_one_class(items)), self.split)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "fixed"}

    @property
    def title(self) -> str:
        return f"read {self.task.kind}"

    def roles(self, pool: Pool) -> Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]:
        """Return the ids of each role, and which of them are related."""
        return {"test": (pool.test, pool.test_related), "pool": (pool.train, pool.train_related)}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `items.parquet` (texts), `gold.parquet` (ground truth) and `data.json`."""
        import numpy as np

        from trimtab.stages.conflict import SECOND_GOLD
        from trimtab.stages.tables import rows_of, write_table
        from trimtab.store import write_json
        from trimtab.tasks.second import SECOND, set_apart

        items, pool = self.fixed
        vars(self).pop("fixed")  # nobody needs the texts in memory after this
        apart = set_apart(items, pool)
        roles = {**self.roles(pool), SECOND: (apart.ids, apart.related)}
        ids = [one for names, _ in roles.values() for one in names]
        rows = rows_of(items.ids, ids)
        columns: dict[str, Any] = {
            "id": ids,
            "text": [items.texts[i] for i in rows],
            "related": [number for _, related in roles.values() for number in related],
            "role": [role for role, (names, _) in roles.items() for _ in names],
        }
        if items.sides is not None:
            columns |= {name: [items.sides[i][side] for i in rows] for side, name in enumerate(SIDES)}
        if items.choices is not None:
            columns[CHOICES] = [list(items.choices[i]) for i in rows]
        columns |= {f"slice:{name}": np.asarray(values)[rows] for name, values in items.slices.items()}
        write_table(out / "items.parquet", columns)
        write_table(out / "gold.parquet", {"id": ids, "gold": np.asarray(items.gold)[rows]})
        if items.second_gold is not None:
            write_table(out / SECOND_GOLD, {"id": ids, "gold": np.asarray(items.second_gold)[rows]})
        if items.held_ratings is not None:
            write_table(out / "ratings.parquet", {"id": ids, "ratings": [list(items.held_ratings[i]) for i in rows]})
        write_json(out / "pool.json", settings_of(pool))
        facts: dict[str, Any] = {
            "kind": self.task.kind,
            "classes": list(items.classes),
            "prompt": items.prompt,
            "notes": list(items.notes),
            "dropped": dict(pool.dropped),
            **{role: len(names) for role, (names, _) in self.roles(pool).items()},
        }
        if items.choices is not None:
            facts[CHOICES] = {"fewest": min(map(len, items.choices)), "most": max(map(len, items.choices))}
        if items.sides is not None:
            facts["pairs"] = True
        if apart.dropped is not None:
            facts["second"] = {"items": len(apart.ids), "dropped": dict(apart.dropped)}
        write_json(out / "data.json", facts)
        return facts
