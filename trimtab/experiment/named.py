"""How a thing and its settings are written anywhere in the file, and which class its name stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.components import find
from trimtab.errors import ExperimentError, UsageError
from trimtab.fields import typed


def named(value: Any, path: str, key: str | None = None) -> tuple[str, dict[str, Any]]:
    """Read `name`, `{name: {settings}}` or, with `key`, `{key: name, settings...}`."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and key and key in value:
        return typed(str, value[key], f"{path}.{key}"), {k: v for k, v in value.items() if k != key}
    if isinstance(value, dict) and len(value) == 1:
        ((name, settings),) = value.items()
        if settings is None or isinstance(settings, dict):
            return str(name), settings or {}
        raise ExperimentError(f"{path}.{name}: found {settings!r}, wanted a mapping of settings")
    raise ExperimentError(f"{path}: found {in_words(value)}, wanted a name or a mapping {{name: {{settings}}}}")


def component(name: str, group: str, ours: Mapping[str, str], folder: Path, path: str) -> type:
    """Return the class that a name stands for, as `trimtab.components.find` does.

    Raises ExperimentError with the path in the file where there is none.
    """
    try:
        return find(name, group, ours, folder)
    except UsageError as error:
        raise ExperimentError(f"{path}: {error}") from error


def in_words(value: Any) -> str:
    """Return what a plain value is, for messages.

    >>> in_words(None), in_words([1, 2])
    ('nothing', 'a list ([1, 2])')
    """
    if value is None:
        return "nothing"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "yes/no", int: "a number", float: "a number"}
    return f"{names.get(type(value), type(value).__name__)} ({str(value)[:40]})"
