"""Data, streamed: remove duplicates and fix test items and pool without holding the data set in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.errors import TaskError
from trimtab.stages.data import identity_of
from trimtab.stages.stage import Stage
from trimtab.tasks.membership import SplitSettings
from trimtab.types import Progress

_PASSES = 3


@dataclass(frozen=True)
class StreamedData(Stage):
    """A streamed task's items in parts, with a fixed test split and a fixed pool; no other item is kept."""

    task: Any
    """Settings of a task that is a `StreamedTask`."""
    split: SplitSettings

    kind: ClassVar[str] = "data"

    @cached_property
    def settings(self) -> dict[str, Any]:
        return identity_of(self.task, self.split)

    @property
    def title(self) -> str:
        return f"read {self.task.kind}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `items.arrow` (texts), `gold.arrow` (ground truth) and `data.json`."""
        import numpy as np

        from trimtab.stages.streamed.parts import GOLD, ITEMS, parts_of, writing
        from trimtab.store import write_json
        from trimtab.tasks.streamed.duplicates import KEYS, find_duplicates
        from trimtab.tasks.streamed.roles import choose_roles

        rows = self.task.count()
        work.mkdir(parents=True, exist_ok=True)
        told = _Told(self.task, progress, _PASSES * rows)
        found = find_duplicates(told.batches, rows, work, self.task.id, getattr(self.task, "path", self.task.kind))
        grouped = getattr(self.task, "group", None) is not None
        roles = choose_roles(found, work / KEYS, self.split, grouped=grouped)
        names = self.task.class_names
        counts = np.zeros((2, len(names)), int)
        with writing(out / "items.arrow", ITEMS) as items, writing(out / "gold.arrow", GOLD) as gold:
            for part in _parts(told.batches(), roles):
                items.write({name: part[name] for name in ITEMS.names})
                gold.write(part)
                for role in (0, 1):
                    counts[role] += np.bincount(part["gold"][part["test"] == bool(role)], minlength=len(names))
        for name, number in zip(names, counts[0], strict=True):
            if not number:
                raise TaskError(
                    f'Class "{name}" has no item in the pool, of which models learn: add rows of it, make the pool '
                    "larger, or leave it out of `classes`."
                )
        found.dropped["near_duplicate"] += roles.later
        facts = {
            "kind": self.task.kind,
            "classes": list(names),
            "prompt": self.task.prompt,
            "notes": [],
            "dropped": dict(found.dropped),
            "test": int(counts[1].sum()),
            "pool": int(counts[0].sum()),
            "parts": parts_of(out / "items.arrow"),
        }
        write_json(out / "data.json", facts)
        return facts


class _Told:
    """Reads the task again and again, and tells how far all passes together are."""

    def __init__(self, task: Any, progress: Progress, total: int) -> None:
        self._task, self._progress, self._total = task, progress, total
        self._done = 0

    def batches(self) -> Iterator[Any]:
        for batch in self._task.batches():
            yield batch
            self._done += len(batch.ids)
            self._progress(self._done, self._total)


def _parts(batches: Iterator[Any], roles: Any) -> Iterator[dict[str, Any]]:
    """Yield the items that have a role, cut into parts of equal size."""
    import numpy as np

    from trimtab.tasks.streamed.batch import PART

    held: list[dict[str, Any]] = []
    waiting = 0
    for batch in batches:
        keys, test, pool = roles.of(batch)
        rows = np.flatnonzero(test | pool)
        held.append(
            {
                "id": np.array(batch.ids, object)[rows],
                "text": np.array(batch.texts, object)[rows],
                "key": keys[rows],
                "test": test[rows],
                "gold": batch.gold[rows],
            }
        )
        waiting += len(rows)
        while waiting >= PART:
            whole = {name: np.concatenate([one[name] for one in held]) for name in held[0]}
            yield {name: values[:PART] for name, values in whole.items()}
            held, waiting = [{name: values[PART:] for name, values in whole.items()}], waiting - PART
    if waiting:
        yield {name: np.concatenate([one[name] for one in held]) for name in held[0]}
