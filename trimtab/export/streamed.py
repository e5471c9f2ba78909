"""Export of a streamed study, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def is_streamed(data: Path) -> bool:
    """Say whether a data artifact is that of a streamed study."""
    return (data / "items.arrow").is_file()


class StreamedSource:
    """The data of a streamed study, and tables about them."""

    def __init__(self, data: Path, classes: Sequence[str]) -> None:
        """Read from a data artifact."""
        self._data, self._classes = data, classes

    def write_items(self, path: Path) -> None:
        """Write every item with its role and its true class."""
        from trimtab.stages.streamed.parts import read_part

        def parts() -> Iterator[dict[str, Any]]:
            for part in range(self._count(self._data / "items.arrow")):
                ids, texts, test = read_part(self._data / "items.arrow", part, "id", "text", "test")
                role = ["test" if one else "pool" for one in test]
                yield {"id": ids, "text": texts, "role": role, "gold": self._named(self._gold(part))}

        _write(path, parts())

    def write_table(self, stem: Path, path: Path) -> None:
        """Write a table of predictions or labels with class names and the truth."""
        from trimtab.stages.streamed.parts import SPLITS, names_of, read_part

        source = stem.with_suffix(".arrow")
        split_names = {number: name for name, number in SPLITS.items()}
        renamed = {f"p{number}": f"p {name}" for number, name in enumerate(self._classes)}

        def parts() -> Iterator[dict[str, Any]]:
            names = names_of(source)
            for part in range(self._count(source)):
                columns = dict(zip(names, read_part(source, part, *names), strict=True))
                gold = self._named(self._gold(part)[columns.pop("row")])
                if "split" in columns:
                    columns["split"] = [split_names[number] for number in columns["split"].tolist()]
                rest = {renamed.get(name, name): values for name, values in columns.items() if name != "id"}
                yield {"id": columns["id"], "gold": gold, **rest}

        _write(path, parts())

    def _count(self, table: Path) -> int:
        from trimtab.stages.streamed.parts import parts_of

        return parts_of(table)

    def _gold(self, part: int) -> Any:
        from trimtab.stages.streamed.parts import read_part

        return read_part(self._data / "gold.arrow", part, "gold")[0]

    def _named(self, gold: Any) -> list[str]:
        return [self._classes[int(number)] for number in gold]


def _write(path: Path, parts: Iterator[dict[str, Any]]) -> None:
    """Write tables one below the other; the first that has rows says the types. Without any row, an empty table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    columns: dict[str, Any] = {}
    try:
        for columns in parts:
            if len(columns["id"]):
                table = pa.table(columns)
                writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
                writer.write_table(table)
        if writer is None:
            pq.write_table(pa.table(columns), path)
    finally:
        if writer is not None:
            writer.close()
