"""Arrays written piece by piece, so that work stopped at any instant goes on from the last whole piece."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trimtab.types import Array


def fingerprint_of(*parts: object) -> str:
    """Return a sha256 over JSON values: what a piece was computed from."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_shard(file: Path, arrays: Mapping[str, Array], made_from: str) -> None:
    """Write arrays as safetensors under a temporary name, then rename: a file that exists is whole."""
    from safetensors.numpy import save

    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as handle:
        handle.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"from": made_from}))
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)


def read_shard(file: Path, made_from: str) -> dict[str, Array] | None:
    """Return the arrays of a piece; none where it is absent or was computed from something else."""
    from safetensors import safe_open

    if not file.is_file():
        return None
    with safe_open(file, framework="numpy") as opened:
        if (opened.metadata() or {}).get("from") != made_from:
            return None
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
