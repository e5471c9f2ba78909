"""Tables in parts: Arrow files with one record batch per part of the data set's items, read one at a time.

Part number i of every table of a study is about the items of part i of the data: nothing is joined by id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
from jaxtyping import Float

from trimtab.stages.tables import probability_names
from trimtab.types import Array

NOBODY, SUPERVISOR, TRANSFER, TEST = 0, 1, 2, 3
SPLITS: Mapping[str, int] = {"supervisor": SUPERVISOR, "transfer": TRANSFER, "test": TEST}
"""How a membership table writes the splits."""
ITEMS = pa.schema([("id", pa.string()), ("text", pa.string()), ("key", pa.uint64()), ("test", pa.bool_())])
GOLD = pa.schema([("gold", pa.int16())])
MEMBERSHIP = pa.schema([("split", pa.uint8())])


def labels_schema(classes: int, truth: str) -> pa.Schema:
    """Return the columns of labels: the item's row in its part, its id, p0.., weight."""
    fields = [("row", pa.uint32()), ("id", pa.string()), *_probabilities(classes), ("weight", pa.float64())]
    return pa.schema(fields, {"truth": truth})


def predictions_schema(classes: int) -> pa.Schema:
    """Return the columns of predictions: the item's row in its part, its id, its split, p0.."""
    return pa.schema([("row", pa.uint32()), ("id", pa.string()), ("split", pa.uint8()), *_probabilities(classes)])


def _probabilities(classes: int) -> list[tuple[str, pa.DataType]]:
    return [(f"p{c}", pa.float64()) for c in range(classes)]


class PartWriter:
    """Appends parts to a table."""

    def __init__(self, writer: ipc.RecordBatchFileWriter, schema: pa.Schema) -> None:
        """Write to an open file; `writing` opens one."""
        self._writer, self._schema = writer, schema

    def write(self, columns: Mapping[str, Any]) -> None:
        """Append the next part, which may be empty."""
        arrays = [pa.array(columns[field.name], field.type) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[PartWriter]:
    """Open a table for writing, through Python's own file, whose errors carry the system's error number."""
    options = ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with path.open("wb") as handle, ipc.new_file(handle, schema, options=options) as writer:
        yield PartWriter(writer, schema)


def parts_of(path: Path) -> int:
    """Return the number of parts of a table."""
    with pa.OSFile(str(path)) as source:
        return ipc.open_file(source).num_record_batches


def read_part(path: Path, number: int, *columns: str) -> list[Any]:
    """Return columns of one part: text as a list, all else as numpy arrays. Other columns are not even unpacked."""
    with pa.OSFile(str(path)) as source:
        names = ipc.open_file(source).schema.names
        options = ipc.IpcReadOptions(included_fields=[names.index(name) for name in columns], use_threads=False)
        batch = ipc.open_file(source, options=options).get_batch(number)
        return [_column(batch.column(name)) for name in columns]


def _column(column: pa.Array) -> Any:
    if pa.types.is_string(column.type):
        return column.to_pylist()
    return column.to_numpy(zero_copy_only=False).copy()


def read_probabilities(path: Path, number: int) -> Float[Array, "items classes"]:
    """Return p0, p1, ... of one part as one array."""
    return np.stack(read_part(path, number, *probability_names(names_of(path))), 1)


def classes_of(path: Path) -> int:
    """Return the number of classes in a table of labels or predictions."""
    return len(probability_names(names_of(path)))


def names_of(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    with pa.OSFile(str(path)) as source:
        return ipc.open_file(source).schema.names


def truth_of(path: Path) -> str:
    """Return how much ground truth went into a table of labels."""
    with pa.OSFile(str(path)) as source:
        return ipc.open_file(source).schema.metadata[b"truth"].decode()
