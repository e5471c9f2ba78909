"""A run's predictions and labels as files for other tools: classes by name, the ground truth beside them.

items.parquet                     id, text, role (test or pool), gold
W-S-METHOD-ROLE-seedN.parquet     id, split (predictions) or weight (labels), gold, one column "p CLASS" per class
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.store import Store

_FILES = {"label": "labels.parquet", "predict": "predictions.parquet"}


def export(results: Mapping[str, Any], folder: Path, store: Store) -> list[Path]:
    """Write every row's predictions and labels into `folder`, named by row, role and seed; return the files."""
    from trimtab.stages.tables import read_table, write_table

    folder.mkdir(parents=True, exist_ok=True)
    classes = results["task"]["classes"]
    data = next(one for one in results["stages"] if one["kind"] == "data")
    items = _items(store.folder("data", data["digest"]), classes)
    gold = dict(zip(items["id"], items["gold"], strict=True))
    write_table(folder / "items.parquet", items)
    written = {folder / "items.parquet": None}
    for name, kind, digest in _artifacts(results):
        path = folder / f"{name}.parquet"
        if path not in written:
            table = read_table(store.folder(kind, digest) / _FILES[kind]).to_pydict()
            write_table(path, _readable(table, classes, gold))
            written[path] = None
    return list(written)


def _artifacts(results: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and digest of every prediction and label of every row and seed."""
    for row in results["rows"]:
        for one in row["per_seed"]:
            for role, digest in {**one["predictions"], **one["labels"]}.items():
                kind = "label" if role.endswith("labels") else "predict"
                yield f"{row['weak']}-{row['strong']}-{row['method']}-{role}-seed{one['seed']}", kind, digest


def _items(folder: Path, classes: Sequence[str]) -> dict[str, list[Any]]:
    """Return the study's items with their true class by name."""
    from trimtab.stages.tables import read_table

    items = read_table(folder / "items.parquet", ["id", "text", "role"]).to_pydict()
    gold = read_table(folder / "gold.parquet")["gold"].to_pylist()
    return items | {"gold": [classes[number] for number in gold]}


def _readable(table: Mapping[str, list[Any]], classes: Sequence[str], gold: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return a stored table with the true class beside each id and probabilities named by class."""
    names = {f"p{number}": f"p {name}" for number, name in enumerate(classes)}
    columns = {names.get(name, name): values for name, values in table.items()}
    return {"id": columns.pop("id"), "gold": [gold[one] for one in table["id"]], **columns}
