"""The tables inside artifacts: items, membership, labels and predictions as parquet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from trimtab.types import Array, Labels


def write_table(path: Path, columns: dict[str, Any], notes: dict[str, str] | None = None) -> None:
    """Write columns as parquet through Python's own file, whose errors carry the system's error number."""
    with path.open("wb") as handle:
        pq.write_table(pa.table(columns, metadata=notes), handle, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file, all columns or those named."""
    return pq.read_table(path, columns=columns)


def probability_columns(probabilities: Float[Array, "items classes"]) -> dict[str, Array]:
    """Return one float64 column per class, p0, p1, ..."""
    return {f"p{c}": np.ascontiguousarray(probabilities[:, c]) for c in range(probabilities.shape[1])}


def probability_names(columns: Iterable[str]) -> list[str]:
    """Return which columns hold probabilities, p0, p1, ..., in the order of the classes."""
    return sorted((name for name in columns if name[:1] == "p" and name[1:].isdigit()), key=lambda name: int(name[1:]))


def probabilities_of(table: pa.Table) -> Float[Array, "items classes"]:
    """Return the columns p0, p1, ... as one array."""
    return np.stack([table[name].to_numpy() for name in probability_names(table.column_names)], 1)


def strings(table: pa.Table, column: str) -> tuple[str, ...]:
    """Return a text column."""
    return tuple(table[column].to_pylist())


def write_labels(folder: Path, labels: Labels) -> None:
    """Write `labels.parquet`: id, p0.., weight, and in its metadata how much truth went into them."""
    columns = {"id": list(labels.ids), **probability_columns(labels.probabilities), "weight": labels.weights}
    write_table(folder / "labels.parquet", columns, {"truth": labels.truth})


def read_labels(folder: Path) -> Labels:
    """Read `labels.parquet`."""
    table = read_table(folder / "labels.parquet")
    truth = table.schema.metadata[b"truth"].decode()
    return Labels(strings(table, "id"), probabilities_of(table), table["weight"].to_numpy(), truth)


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of one model on some items."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    probabilities: Float[Array, "items classes"]

    def of_split(self, split: str) -> Predictions:
        """Return the rows of one split, in their order."""
        return self.of_parts((split,))

    def of_parts(self, splits: Collection[str]) -> Predictions:
        """Return the rows of some splits, in their order."""
        rows = [i for i, name in enumerate(self.splits) if name in splits]
        return Predictions(
            tuple(self.ids[i] for i in rows), tuple(self.splits[i] for i in rows), self.probabilities[rows]
        )


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write `predictions.parquet`: id, split, p0.."""
    columns = {"id": list(predictions.ids), "split": list(predictions.splits)}
    write_table(folder / "predictions.parquet", columns | probability_columns(predictions.probabilities))


def read_predictions(folder: Path) -> Predictions:
    """Read `predictions.parquet`."""
    table = read_table(folder / "predictions.parquet")
    return Predictions(strings(table, "id"), strings(table, "split"), probabilities_of(table))


def rows_of(ids: Sequence[str], wanted: Sequence[str]) -> Int[Array, "items"]:
    """Return the position in `ids` of each wanted id."""
    position = {one: i for i, one in enumerate(ids)}
    return np.asarray([position[one] for one in wanted], dtype=np.int64)
