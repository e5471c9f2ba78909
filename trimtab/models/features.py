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
    place = {name: row for row, name in enumerate(known)}
    if len(place) < len(known):
        twice = next(name for name in known if known.count(name) > 1)
        raise ModelError(f"{path}: the id {twice} is there twice; wanted one row per item")
    missing = [name for name in ids if name not in place]
    if missing:
        raise ModelError(
            f"{path} has no features of {len(missing)} of the {len(ids)} items of the task, the first is {missing[0]} "
            f"(its own first id is {known[0] if known else 'none'}); ids must be written alike in labels and features"
        )
    found = values[[place[name] for name in ids]]
    broken = np.flatnonzero(~np.isfinite(found).all(1))
    if len(broken):
        column = int(np.flatnonzero(~np.isfinite(found[broken[0]]))[0])
        raise ModelError(
            f"{path}: the features of {len(broken)} items hold NaN or infinity, first feature {column} of item "
            f"{ids[broken[0]]}; fill them in or leave the items out of the labels"
        )
    return found


def _read_parquet(path: Path) -> tuple[list[str], Float[Array, "rows hidden"]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ModelError(f"{path} is not a parquet table: {str(error).splitlines()[0]}") from error
    if ID not in table.column_names or table.num_columns < 2:
        raise ModelError(f"{path} has the columns {_some(table.column_names)}; wanted `{ID}` and features")
    names = [name for name in table.column_names if name != ID]
    known = [_name(value) for value in table[ID].to_pylist()]
    kinds = {name: table.schema.field(name).type for name in names}
    if len(names) == 1 and (pa.types.is_list(kinds[names[0]]) or pa.types.is_fixed_size_list(kinds[names[0]])):
        return known, _stacked(path, names[0], table[names[0]].to_pylist())
    wrong = [name for name, kind in kinds.items() if not (pa.types.is_integer(kind) or pa.types.is_floating(kind))]
    if wrong:
        raise ModelError(f"{path}: the columns {_some(wrong)} are not numbers; keep `{ID}` and features only")
    columns = [table[name].to_numpy(zero_copy_only=False) for name in names]  # a gap becomes NaN
    return known, np.stack(columns, 1).astype(np.float32)


def _stacked(path: Path, column: str, rows: list[Any]) -> Float[Array, "rows hidden"]:
    lengths = {len(row) if row is not None else 0 for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ModelError(
            f"{path}: the lists of {column} have {_some(sorted(map(str, lengths)))} entries; wanted one size"
        )
    return np.array([[np.nan if one is None else one for one in row] for row in rows], np.float32)


def _read_safetensors(path: Path) -> tuple[list[str], Float[Array, "rows hidden"]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            found = {name: file.get_tensor(name) for name in ("features", ID) if name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a safetensors file: {str(error).splitlines()[0]}") from error
    if len(found) < 2 or found["features"].ndim != 2 or found[ID].shape != found["features"].shape[:1]:
        shapes = {name: list(value.shape) for name, value in found.items()}
        raise ModelError(f"{path} has {shapes or 'neither'}; wanted `features` (items x hidden) and `{ID}` (items)")
    return [_name(value) for value in found[ID].tolist()], found["features"].astype(np.float32)


def _name(value: object) -> str:
    """Return an id as the labels' file gives it: 7.0 and 7 are "7"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _some(names: Sequence[str], most: int = 6) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest
