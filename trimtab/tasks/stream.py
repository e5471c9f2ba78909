"""Parquet or Arrow files that need not fit in memory: one file, or a folder of them in the order of their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from trimtab.digest import digest_of, file_digest
from trimtab.errors import TaskError
from trimtab.tasks.columns import Columns, items_of
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.streamed.batch import PART, Batch
from trimtab.tasks.streamed.keys import keys_of
from trimtab.tasks.values import ClassName, check_prompt, class_names, label_of, name_of, some, text_of, wrong
from trimtab.types import Items

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET, _ARROW = (".parquet",), (".arrow", ".feather")


@dataclass(frozen=True)
class Stream:
    """Labelled texts, one item per row, read some rows at a time."""

    path: str
    """A .parquet, .arrow or .feather file, or a folder that holds such files."""
    classes: tuple[ClassName, ...]
    """All classes in their order, as the data writes them; of two, the second is the positive one."""
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the class: words or whole numbers."""
    id: str | None = None
    """Column that holds a different name for every item; none = made from text and group."""
    group: str | None = None
    """Column that says what belongs together; equal values never straddle two splits."""
    prompt: str = "{text}"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "stream"

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        object.__setattr__(self, "classes", class_names(self.classes))

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes in their order."""
        return tuple(map(str, self.classes))

    def fingerprint(self) -> str:
        """Return a digest of the files' bytes."""
        return digest_of({file.name: file_digest(file) for file in self._files()})

    def count(self) -> int:
        """Return the number of rows.

        Raises TaskError where a file cannot be read or lacks a column.
        """
        total = 0
        for file in self._files():
            with _opened(file) as opened:
                self._check_columns(file, opened.columns)
                total += opened.rows
        return total

    def batches(self) -> Iterator[Batch]:
        """Yield all rows in their order, at most `PART` at a time.

        Raises TaskError with file, row and column where a value cannot be used.
        """
        first = 0
        for rows in self._read():
            yield self._batch(rows, first)
            first += rows.count
        if not first:
            raise TaskError(f"{self.path} has no rows; wanted one item per row.")

    def read(self) -> Items:
        """Return all items at once, for data that do fit in memory."""
        read = list(self._read())
        rows = [rows.row(i) for rows in read for i in range(rows.count)]
        names = read[0].table.columns if read else ()
        return items_of(Table(self.path, names, rows), self._columns(), self.class_names, self.prompt)

    def _columns(self) -> Columns:
        return Columns(self.text, self.label, self.id, self.group)

    def _files(self) -> list[Path]:
        place = Path(self.path)
        if place.is_dir():
            files = sorted(file for file in place.iterdir() if file.suffix in (*_PARQUET, *_ARROW))
        else:
            files = [place] if place.is_file() and place.suffix in (*_PARQUET, *_ARROW) else []
        if not files:
            what = "holds no" if place.is_dir() else "is not a" if place.exists() else "does not exist; wanted a"
            raise TaskError(f"{self.path} {what} .parquet, .arrow or .feather file. Check the task's path.")
        return files

    def _check_columns(self, file: Path, present: tuple[str, ...]) -> Table:
        table = Table(str(file), present, ())
        for setting, name in vars(self._columns()).items():
            if name is not None:
                table.require(name, setting)
        return table

    def _read(self) -> Iterator[_Rows]:
        columns = self._columns()
        for file in self._files():
            with _opened(file) as opened:
                table = self._check_columns(file, opened.columns)
                number = 1
                for batch in opened.batches(columns.named()):
                    yield _Rows(table, number, {name: batch.column(name).to_pylist() for name in columns.named()})
                    number += batch.num_rows

    def _batch(self, rows: _Rows, first: int) -> Batch:
        texts = rows.values(self.text, _is_text, text_of)
        classes = {name: place for place, name in enumerate(self.class_names)}
        known: dict[tuple[type, Any], int] = {}
        gold = np.empty(rows.count, np.int16)
        for i, value in enumerate(rows.columns[self.label]):
            if (type(value), value) not in known:
                known[type(value), value] = self._class(rows, i, classes)
            gold[i] = known[type(value), value]
        groups = rows.values(self.group, _is_plain, name_of) if self.group else [None] * rows.count
        if self.id is None:
            ids = [f"{key:016x}" for key in keys_of(map(_as_json, texts, groups)).tolist()]
        else:
            ids = rows.values(self.id, _is_plain, _id_of)
        named = (f"alone: {one}" if group is None else group for one, group in zip(ids, groups, strict=True))
        return Batch(first, ids, texts, gold, keys_of(named))

    def _class(self, rows: _Rows, i: int, classes: dict[str, int]) -> int:
        row = rows.row(i)
        name = label_of(rows.table, row, self.label)
        if name not in classes:
            wanted = f'one of the setting "classes": {some(list(classes))}.'
            raise wrong(rows.table, row, self.label, f'label "{name}"', wanted)
        return classes[name]


def _as_json(text: str, group: str | None) -> str:
    """Return `json.dumps([text, group])`, which takes four times as long."""
    return f"[{json.dumps(text)}, {'null' if group is None else json.dumps(group)}]"


def _id_of(table: Table, row: Row, column: str) -> str:
    name = name_of(table, row, column)
    if name is None:
        raise wrong(table, row, column, "no id", "a different id in every row.")
    return name


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value != "" and value == value.strip()


@dataclass(frozen=True)
class _Rows:
    """Consecutive rows of a file, by column; a row is built only where something must be said about it."""

    table: Table
    """The file, without rows."""
    first: int
    """Number of the first row in the file, from 1."""
    columns: dict[str, list[Any]]

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))

    def row(self, i: int) -> Row:
        """Return one row with its place."""
        return Row(f"row {self.first + i}", {name: values[i] for name, values in self.columns.items()})

    def values(
        self, column: str, is_plain: Callable[[object], bool], read: Callable[[Table, Row, str], Any]
    ) -> list[Any]:
        """Return a column: values that are plainly right as they are, all others as `read` makes of them."""
        found = self.columns[column]
        return [one if is_plain(one) else read(self.table, self.row(i), column) for i, one in enumerate(found)]


@dataclass(frozen=True)
class _Opened:
    """An open file of either format."""

    columns: tuple[str, ...]
    rows: int
    parquet: Any = None
    arrow: Any = None

    def batches(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, at most `PART` at a time."""
        if self.parquet is not None:
            yield from self.parquet.iter_batches(PART, columns=list(columns), use_threads=False)
            return
        for number in range(self.arrow.num_record_batches):
            batch = self.arrow.get_batch(number).select(list(columns))
            for start in range(0, batch.num_rows, PART):
                yield batch.slice(start, PART)


@contextmanager
def _opened(file: Path) -> Iterator[_Opened]:
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet as pq

    try:
        with pa.OSFile(str(file)) as source:
            if file.suffix in _PARQUET:
                found = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 16)
                yield _Opened(tuple(found.schema_arrow.names), found.metadata.num_rows, parquet=found)
            else:
                reader = pa.ipc.open_file(source)
                rows = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
                yield _Opened(tuple(reader.schema.names), rows, arrow=reader)
    except (pa.ArrowException, OSError) as error:
        raise TaskError(f"{file} cannot be read: {error}. Check how it was written or copied.") from error
