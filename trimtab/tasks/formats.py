"""Reads jsonl, csv, tsv and parquet, and says in which line a file is broken."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trimtab.errors import TaskError
from trimtab.tasks.rows import Row, Table

_DELIMITERS = (",", ";", "\t", "|")
"""What stands between columns in the wild."""


def check_delimiter(delimiter: str, path: Path) -> None:
    """Raise ValueError where a character cannot stand between columns, or where the file has none."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise ValueError(f'delimiter is for files that end in .csv or .tsv, found the ending "{path.suffix}"')
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f'delimiter must be one character such as ";", found {delimiter!r}')


def read_table(path: Path, columns: Sequence[str], encoding: str, delimiter: str | None = None) -> Table:
    """Return the rows of a file by its ending; `columns` limits what is read where the format allows it.

    Raises TaskError with file and line where the file is missing, empty or broken.
    """
    csv_reader = partial(_csv, delimiter=delimiter)
    readers: dict[str, Callable[[Path, Sequence[str], str], Table]] = {
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".csv": csv_reader,
        ".tsv": csv_reader,
        ".parquet": _parquet,
    }
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise TaskError(f"{path} {what}; wanted a jsonl, csv, tsv or parquet file. Check the task's path.")
    if path.suffix.lower() not in readers:
        raise TaskError(f'{path}: found the ending "{path.suffix}", wanted one of {", ".join(readers)}.')
    if path.stat().st_size == 0:
        raise TaskError(f"{path} is empty (0 bytes); wanted one item per row.")
    table = readers[path.suffix.lower()](path, columns, encoding)
    if not table.rows:
        raise TaskError(f"{path} has no rows; wanted one item per row.")
    return table


def _text(path: Path, encoding: str) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise TaskError(
            f'There is no encoding "{encoding}"; wanted a name that Python knows, such as utf-8 or cp1252.'
        ) from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, place = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise TaskError(
            f"{path}, line {line}, byte {place} of the line: found byte 0x{error.object[error.start]:02x}, "
            f"which is not {encoding}. Save the file as UTF-8, or set the task's encoding (often cp1252 or "
            "latin-1)."
        ) from error


def _jsonl(path: Path, columns: Sequence[str], encoding: str) -> Table:
    rows: list[Row] = []
    # only \n ends a line: JSON strings may hold U+2028 and its like unescaped
    for number, line in enumerate(_text(path, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line, object_pairs_hook=_distinct)
        except json.JSONDecodeError as error:
            raise TaskError(
                f"{path}, line {number}, character {error.colno}: found broken JSON ({error.msg}); wanted "
                "one JSON object per line."
            ) from error
        except _RepeatedKeyError as error:
            raise TaskError(f'{path}, line {number}: found the key "{error}" twice; wanted each once.') from None
        if not isinstance(values, dict):
            raise TaskError(
                f"{path}, line {number}: found a JSON {type(values).__name__}, wanted an object with the columns."
            )
        rows.append(Row(f"line {number}", values))
    names = dict.fromkeys(name for row in rows for name in row.values)
    return Table(str(path), tuple(names), rows)


class _RepeatedKeyError(Exception):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKeyError(key)
        found[key] = value
    return found


def _csv(path: Path, columns: Sequence[str], encoding: str, delimiter: str | None) -> Table:
    delimiter = delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    reader = csv.reader(io.StringIO(_text(path, encoding), newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    start = 1
    try:
        for fields in reader:
            # a quoted field may hold line ends: a row is named by its first line
            place, start = f"line {start}", reader.line_num + 1
            if not fields:
                continue
            if header is None:
                header = [name.strip() for name in fields]
                _check_repeated(f"{path}, {place}", header)
                _check_delimited(f"{path}, {place}", header, columns, delimiter)
            elif len(fields) != len(header):
                raise TaskError(
                    f"{path}, {place}: found {len(fields)} columns, wanted the {len(header)} of the header "
                    f"({', '.join(header)}). A field that holds the delimiter must be in double quotes."
                )
            else:
                rows.append(Row(place, dict(zip(header, fields, strict=True))))
    except csv.Error as error:
        raise TaskError(
            f"{path}, line {start}: found broken CSV ({error}); wanted fields with a delimiter, a double "
            "quote or a line end inside them to be in double quotes, double quotes inside those to be "
            f"doubled, and no field above {csv.field_size_limit()} characters. Mend the line, or save the "
            "file as jsonl."
        ) from error
    return Table(str(path), tuple(header or ()), rows)


def _check_delimited(where: str, header: Sequence[str], columns: Sequence[str], delimiter: str) -> None:
    """Raise TaskError where a header is one column that another delimiter would cut into those asked for."""
    if len(header) != 1 or set(columns) <= set(header):
        return
    for other in (one for one in _DELIMITERS if one != delimiter):
        names = [name.strip() for name in next(csv.reader([header[0]], delimiter=other))]
        if len(names) > 1:
            raise TaskError(
                f"{where}: found one column, {header[0]!r}; wanted columns with {delimiter!r} between them. With "
                f"{other!r} between them there would be {len(names)}: set `delimiter: {json.dumps(other)}` in the task."
            )


def _parquet(path: Path, columns: Sequence[str], encoding: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = tuple(file.schema_arrow.names)
            _check_repeated(str(path), names)
            wanted = [name for name in names if name in columns]
            table = file.read(columns=wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise TaskError(f"{path} cannot be read as parquet: {error}. Check how it was written or copied.") from error
    values = [table.column(name).to_pylist() for name in wanted]
    rows = [
        Row(f"row {number}", dict(zip(wanted, row, strict=True)))
        for number, row in enumerate(zip(*values, strict=True), start=1)
    ]
    return Table(str(path), names, rows)


def _check_repeated(where: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TaskError(f'{where}: found the column "{repeated[0]}" twice; wanted different names.')
