"""Strict reading of plain values into typed settings; the only user of pydantic."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import MappingProxyType
from typing import Any, get_type_hints

from trimtab.errors import ExperimentError, UsageError, did_you_mean

NAME_RULE = "1 to 100 characters out of A to Z, a to z, 0 to 9, '-', '_' and '.', the first one a letter or digit"
"""What `is_name` allows, for messages."""


_PLAIN = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "tuple": "a list",
    "list": "a list",
    "dictionary": "a mapping",
}
"""What pydantic calls a value, and what a user does."""


def is_name(text: str) -> bool:
    """Say whether a text can name a folder on any system, by `NAME_RULE`.

    >>> is_name("movie-sentiment"), is_name("../up"), is_name(""), is_name("film-été")
    (True, False, False, False)
    """
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text) is not None


def check_keys(values: Mapping[Any, Any], known: Collection[str], path: str) -> None:
    """Raise ExperimentError for the first key that is not known, with the nearest that is."""
    for key in values:
        if key not in known:
            where = f"{path}.{key}" if path else str(key)
            raise ExperimentError(f"{where}: unknown key.{did_you_mean(str(key), known)}")


def one_of(name: str, table: Mapping[str, Any], path: str) -> Any:
    """Return the entry of a table; raise ExperimentError with the nearest right name where there is none."""
    if name not in table:
        raise ExperimentError(f"{path}: found {name!r}, which is not known.{did_you_mean(name, table)}")
    return table[name]


def typed(hint: Any, value: Any, path: str) -> Any:
    """Return `value` as the type `hint`, strictly; raise ExperimentError with what was found and wanted."""
    from pydantic import TypeAdapter, ValidationError

    try:
        # strict JSON rules: a list may become a tuple and 1 a float, but "1" never a number
        return TypeAdapter(hint).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        raise ExperimentError(_refused(error.errors(include_url=False), path)) from None
    except (ValueError, TypeError):
        raise ExperimentError(f"{path}: found {value!r}, wanted a finite number, text, list or mapping") from None


def _refused(errors: Sequence[Any], path: str) -> str:
    """Return the place of the first error, what was found there, and everything that would have done."""

    def place(error: Any) -> list[str]:
        return [str(part) for part in error["loc"] if isinstance(part, int)]

    where = place(errors[0])
    wanted = list(dict.fromkeys(_wanted(one["msg"]) for one in errors if place(one) == where))
    if all(one.startswith("wanted ") for one in wanted):  # one for each type that a setting may have
        wanted = ["wanted " + " or ".join(one.removeprefix("wanted ") for one in wanted)]
    return f"{'.'.join([path, *where])}: found {errors[0]['input']!r}; {wanted[0]}"


def _wanted(message: str) -> str:
    text = message.replace("Input should be", "wanted").replace("input should be", "wanted")
    for theirs, ours in _PLAIN.items():
        text = text.replace(f"a valid {theirs}", ours)
    return text[:1].lower() + text[1:]


def build(cls: type, values: Mapping[str, Any], path: str, made: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Return the frozen settings `cls` with `values` checked one by one; `made` are settings that are objects already.

    Raises ExperimentError with the path in the file for an unknown key, a missing one, a wrong type or a value that
    the class refuses.
    """
    if not is_dataclass(cls):
        raise ExperimentError(f"{path}: {cls.__name__} is not a dataclass; decorate it with @dataclass(frozen=True)")
    own = {field.name: field for field in fields(cls) if field.init}
    check_keys(values, own, path)
    for name, field in own.items():
        if name not in values and name not in made and field.default is MISSING and field.default_factory is MISSING:
            raise ExperimentError(f"{path}.{name}: the key is missing; it has no default")
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError) as error:
        raise ExperimentError(f"{path}: the types of {cls.__name__}'s settings cannot be read: {error}") from error
    given = {name: typed(hints[name], value, f"{path}.{name}") for name, value in values.items()}
    try:
        return cls(**given, **made)
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, UsageError) as error:
        raise ExperimentError(f"{path}: {error}") from error
