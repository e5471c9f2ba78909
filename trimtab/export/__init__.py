"""A run's predictions and labels as files for other tools: classes by name, the ground truth beside them.

items.parquet                     id, text, role (test or pool), gold
W-S-METHOD-ROLE-seedN.parquet     id, split (predictions) or weight (labels), gold, one column "p CLASS" per class
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from trimtab.errors import StoreError
from trimtab.export.streamed import StreamedSource, is_streamed
from trimtab.export.whole import WholeSource
from trimtab.store import Store
from trimtab.store.record import damage_of


def export(results: Mapping[str, Any], folder: Path, store: Store) -> list[Path]:
    """Write every row's predictions and labels into `folder`, named by row, role and seed; return the files.

    Raises StoreError before anything is written where an artifact is not as it was made.
    """
    digest = next(one["digest"] for one in results["stages"] if one["kind"] == "data")
    data, classes = store.folder("data", digest), results["task"]["classes"]
    source: Source = StreamedSource(data, classes) if is_streamed(data) else WholeSource(data, classes)
    written = {folder / "items.parquet": None}
    asked = list(_artifacts(results))
    for place in dict.fromkeys([data, *(store.folder(kind, digest) for _, kind, digest in asked)]):
        damage = damage_of(place)
        if damage:
            raise StoreError(damage)
    folder.mkdir(parents=True, exist_ok=True)
    source.write_items(folder / "items.parquet")
    for name, kind, digest in asked:
        path = folder / f"{name}.parquet"
        if path not in written:
            source.write_table(store.folder(kind, digest) / ("labels" if kind == "label" else "predictions"), path)
            written[path] = None
    return list(written)


class Source(Protocol):
    """A study's data, and tables about them."""

    def write_items(self, path: Path) -> None:
        """Write every item with its role and its true class."""
        ...

    def write_table(self, stem: Path, path: Path) -> None:
        """Write a table of predictions or labels, given without its ending, with class names and the truth."""
        ...


def _artifacts(results: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and digest of every prediction and label of every row and seed."""
    for row in results["rows"]:
        for one in row["per_seed"]:
            for role, digest in {**one["predictions"], **one["labels"]}.items():
                kind = "label" if role.endswith("labels") else "predict"
                yield f"{row['weak']}-{row['strong']}-{row['method']}-{role}-seed{one['seed']}", kind, digest
