"""Items without text: ids and labels, for models that are tables of features computed elsewhere.

Each item's text is its id, so that the rest of a study needs to know nothing of this. What a model makes of an item is
looked up by id: `model: dino.parquet` (`trimtab/models/features.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from trimtab.digest import file_digest
from trimtab.errors import TaskError
from trimtab.tasks.columns import Columns, items_of
from trimtab.tasks.duplicates import normal_form
from trimtab.tasks.formats import read_table
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.values import ClassName, class_names, name_of, wrong
from trimtab.types import Items

_TEXT = "the id as a text"


@dataclass(frozen=True)
class Features:
    """A file of ids and labels, one item per row; the features are the models'."""

    path: str
    """File that ends in .jsonl, .ndjson, .csv, .tsv or .parquet; csv and tsv have a header line."""
    id: str = "id"
    """Column that holds a different name for every item, the same as in the tables of features."""
    label: str = "label"
    """Column that holds the class: words or whole numbers."""
    group: str | None = None
    """Column that says what belongs together: equal values never straddle two splits."""
    split: str | None = None
    """Column with the data set's own splits: supervisor, transfer and test; or train and test; none = drawn."""
    classes: tuple[ClassName, ...] | None = None
    """All classes in their order; of two, the second is the positive one. None = those found."""

    kind: ClassVar[str] = "features"

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", class_names(self.classes))

    def read(self) -> Items:
        """Return the items of the file.

        Raises TaskError with file, line and column where something in it cannot be used.
        """
        columns = Columns(_TEXT, self.label, self.id, self.group, None, self.split)
        wanted = [name for name in columns.named() if name != _TEXT]
        table = read_table(Path(self.path), wanted, "utf-8")
        table.require(self.id, "id")
        told = [self._with_text(table, row) for row in table.rows]
        _check_different(table, self.id, told)
        told_table = replace(table, columns=(*table.columns, _TEXT), rows=told)
        return items_of(told_table, columns, class_names(self.classes), "{text}")

    def fingerprint(self) -> str:
        """Return the sha256 of the file's bytes."""
        if not Path(self.path).is_file():
            raise TaskError(f"{self.path} does not exist or is not a file. Check the task's path.")
        return file_digest(Path(self.path))

    def _with_text(self, table: Table, row: Row) -> Row:
        name = name_of(table, row, self.id)
        if name is None:
            raise wrong(table, row, self.id, "no id", "a different id in every row.")
        return replace(row, values={**row.values, _TEXT: name})


def _check_different(table: Table, column: str, rows: Sequence[Row]) -> None:
    """Raise TaskError where two ids would count as the same text."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = seen.setdefault(normal_form(row.values[_TEXT]), row)
        if other is not row and other.values[_TEXT] != row.values[_TEXT]:
            found = f'id "{row.values[_TEXT]}", which differs from that of {other.place} in case or spaces only'
            raise wrong(table, row, column, found, "ids that differ otherwise.")
