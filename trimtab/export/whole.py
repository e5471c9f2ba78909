"""Export of a study whose tables are read whole."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any


class WholeSource:
    """The data of a study, and tables about them."""

    def __init__(self, data: Path, classes: Sequence[str]) -> None:
        """Read from a data artifact."""
        self._data, self._classes = data, classes

    @cached_property
    def _items(self) -> dict[str, list[Any]]:
        """The study's items with their true class by name."""
        from trimtab.stages.tables import read_table

        items = read_table(self._data / "items.parquet", ["id", "text", "role"]).to_pydict()
        gold = read_table(self._data / "gold.parquet")["gold"].to_pylist()
        return items | {"gold": [self._classes[number] for number in gold]}

    def write_items(self, path: Path) -> None:
        """Write every item with its role and its true class."""
        from trimtab.stages.tables import write_table

        write_table(path, self._items)

    def write_table(self, stem: Path, path: Path) -> None:
        """Write a table of predictions or labels with class names and the truth."""
        from trimtab.stages.tables import read_table, write_table

        gold = dict(zip(self._items["id"], self._items["gold"], strict=True))
        names = {f"p{number}": f"p {name}" for number, name in enumerate(self._classes)}
        table = read_table(stem.with_suffix(".parquet")).to_pydict()
        columns = {names.get(str(name), str(name)): values for name, values in table.items()}
        write_table(path, {"id": columns.pop("id"), "gold": [gold[one] for one in table["id"]], **columns})
