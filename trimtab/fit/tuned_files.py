"""A tuned model on disk: its trained weights and what is known about the fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WEIGHTS, _FACTS = "student.safetensors", "fit.json"


def write_tuned(out: Path, weights: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write weights, then facts, each under a temporary name first."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights), out / f"{_WEIGHTS}.tmp")
    (out / f"{_WEIGHTS}.tmp").replace(out / _WEIGHTS)
    temporary = out / f"{_FACTS}.tmp"
    temporary.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(out / _FACTS)


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what is known about a fit."""
    return json.loads((folder / _FACTS).read_text(encoding="utf-8"))


def read_weights(folder: Path) -> dict[str, Any]:
    """Return the trained weights."""
    from safetensors.torch import load_file

    return load_file(folder / _WEIGHTS)
