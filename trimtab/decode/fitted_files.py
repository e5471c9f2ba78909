"""A fitted scorer on disk: its arrays as safetensors and what is known about it as JSON, the JSON last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import FitError
from trimtab.types import Array

_ARRAYS, _FACTS = "head.safetensors", "scorer.json"


def write_fitted(folder: Path, kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write a scorer of a kind into a folder, made if absent, each file under a temporary name first."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(arrays), folder / f"{_ARRAYS}.tmp")
    (folder / f"{_ARRAYS}.tmp").replace(folder / _ARRAYS)
    text = json.dumps({"kind": kind, **facts}, indent=1, sort_keys=True, allow_nan=False)
    (folder / f"{_FACTS}.tmp").write_text(text + "\n", encoding="utf-8")
    (folder / f"{_FACTS}.tmp").replace(folder / _FACTS)


def kind_of(folder: Path) -> str | None:
    """Return the kind of the scorer in a folder; none where it holds no scorer."""
    try:
        return json.loads((folder / _FACTS).read_text(encoding="utf-8"))["kind"]
    except (OSError, json.JSONDecodeError, KeyError):
        return None


def read_fitted(folder: Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return arrays and facts of a scorer. Raises FitError where the folder holds none of that kind."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
    except (OSError, json.JSONDecodeError, SafetensorError) as error:
        raise FitError(
            f"{folder} holds no fitted scorer ({_FACTS} and {_ARRAYS}): {type(error).__name__}; wanted a {kind}"
        ) from error
    if facts.get("kind") != kind:
        raise FitError(f"{folder} holds a scorer of the kind {facts.get('kind')!r}; wanted a {kind}")
    return arrays, facts
