"""A table of features computed elsewhere, in the place of a model: one row per item, found by the item's id.

parquet      a column `id`, and either numeric columns or one column of lists of numbers
safetensors  a tensor `features` (items x hidden) and a tensor `id` of whole numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from trimtab.errors import ModelError
from trimtab.types import Array

ID = "id"


def feature_rows(path: Path, ids: Sequence[str]) -> Float[Array, "items hidden"]:
    """Return the features of some items in float32, in the order of the ids.

    Raises ModelError where the table cannot be used or lacks an item.
    """
    known, values = _read_parquet(path) if path.suffix == ".parquet" else _read_safetensors(path)
    found = values[_places(path, known, ids)]
    broken = np.flatnonzero(~np.isfinite(found).all(1))
    if len(broken):
        column = int(np.flatnonzero(~np.isfinite(found[broken[0]]))[0])
        raise ModelError(
            f"{path}: NaN or infinity in the features of {_items(len(broken))}, first feature {column} of item "
            f"{ids[broken[0]]}; fill them in or leave the items out of the labels"
        )
    return found


def check_ids(path: Path, ids: Sequence[str]) -> None:
    """Raise ModelError where a table's columns, shapes or ids cannot be used, or it lacks an item.

    No feature is read.
    """
    _places(path, _parquet_ids(path) if path.suffix == ".parquet" else _safetensors_ids(path), ids)


def _places(path: Path, known: Sequence[str], ids: Sequence[str]) -> list[int]:
    """Return the row of each item."""
    place = {name: row for row, name in enumerate(known)}
    if len(place) < len(known):
        twice = next(name for row, name in enumerate(known) if place[name] != row)
        raise ModelError(f"{path}: the id {twice} is there twice; wanted one row per item")
    missing = [name for name in ids if name not in place]
    if missing:
        raise ModelError(
            f"{path} has no features of {len(missing)} of the {len(ids)} items of the task, the first is {missing[0]} "
            f"(its own first id is {known[0] if known else 'none'}); ids must be written alike in labels and features"
        )
    return [place[name] for name in ids]


def _parquet_columns(path: Path) -> list[str]:
    """Return the columns of features."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ModelError(f"{path} is not a parquet table: {str(error).splitlines()[0]}") from error
    names = [name for name in schema.names if name != ID]
    if ID not in schema.names or not names:
        raise ModelError(f"{path} has the columns {_some(schema.names)}; wanted `{ID}` and features")
    kinds = {name: schema.field(name).type for name in names}
    if len(names) == 1 and _is_list(kinds[names[0]]):
        kinds = {names[0]: kinds[names[0]].value_type}
    wrong = [name for name, kind in kinds.items() if not (pa.types.is_integer(kind) or pa.types.is_floating(kind))]
    if wrong:
        raise ModelError(f"{path}: the columns {_some(wrong)} are not numbers; keep `{ID}` and features only")
    return names


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)


def _parquet_ids(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    _parquet_columns(path)
    return [_name(value) for value in pq.read_table(path, columns=[ID])[ID].to_pylist()]


def _read_parquet(path: Path) -> tuple[list[str], Float[Array, "rows hidden"]]:
    import pyarrow.parquet as pq

    names = _parquet_columns(path)
    table = pq.read_table(path)
    known = [_name(value) for value in table[ID].to_pylist()]
    if _is_list(table.schema.field(names[0]).type):
        return known, _stacked(path, names[0], table[names[0]].to_pylist())
    columns = [table[name].to_numpy(zero_copy_only=False) for name in names]  # a gap becomes NaN
    return known, np.stack(columns, 1).astype(np.float32)


def _stacked(path: Path, column: str, rows: list[Any]) -> Float[Array, "rows hidden"]:
    lengths = {len(row) if row is not None else 0 for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ModelError(
            f"{path}: the lists of {column} have {_some(sorted(map(str, lengths)))} entries; wanted one size"
        )
    return np.array([[np.nan if one is None else one for one in row] for row in rows], np.float32)


def _safetensors_ids(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            parts = {name: file.get_slice(name) for name in ("features", ID) if name in file.keys()}  # noqa: SIM118
            shapes = {name: list(part.get_shape()) for name, part in parts.items()}
            if len(shapes) < 2 or len(shapes["features"]) != 2 or shapes[ID] != shapes["features"][:1]:
                raise ModelError(
                    f"{path} has {shapes or 'neither'}; wanted `features` (items x hidden) and `{ID}` (items)"
                )
            if parts[ID].get_dtype()[0] not in "IU":
                raise ModelError(f"{path}: `{ID}` is of type {parts[ID].get_dtype()}; wanted whole numbers such as I64")
            return [_name(value) for value in file.get_tensor(ID).tolist()]
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a safetensors file: {str(error).splitlines()[0]}") from error


def _read_safetensors(path: Path) -> tuple[list[str], Float[Array, "rows hidden"]]:
    from safetensors import safe_open

    known = _safetensors_ids(path)
    with safe_open(path, framework="np") as file:
        return known, file.get_tensor("features").astype(np.float32)


def _name(value: object) -> str:
    """Return an id as the labels' file gives it: 7.0 and 7 are "7"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _items(count: int) -> str:
    return f"{count} item{'s' if count != 1 else ''}"


def _some(names: Sequence[str], most: int = 6) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest
