"""One value of a row as text, name, class or split; what cannot be used is named by file, line and column."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from trimtab.errors import TaskError, did_you_mean
from trimtab.tasks.related import TEST_FIRST
from trimtab.tasks.rows import Row, Table

ClassName = str | int | float | bool
"""How a class may be written in an experiment file: as in the data, where YAML makes a number of 0 and a truth value of
true."""
_SHOWN = 5
"""Most names that a message lists."""


def some(names: Sequence[str]) -> str:
    """Return names as a list for a message: all of a few, else the first ones and how many there are.

    >>> some(["a", "b"]), some(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e, ... (8 in all)')
    """
    if len(names) <= _SHOWN + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])}, ... ({len(names)} in all)"


def wrong(table: Table, row: Row, column: str, found: str, wanted: str) -> TaskError:
    """Return the error for one value."""
    return TaskError(f'{table.source}, {row.place}, column "{column}": found {found}; wanted {wanted}')


def text_of(table: Table, row: Row, column: str) -> str:
    """Return a text as it stands; raise TaskError where there is none."""
    value = row.values.get(column)
    wanted = "a text. Fill it in or remove the row."
    if not isinstance(value, str):
        raise wrong(table, row, column, "no value" if value is None else _shown(value), wanted)
    if not value.strip():
        raise wrong(table, row, column, "an empty text", wanted)
    if re.search("[\ud800-\udfff]", value):
        raise wrong(table, row, column, "half of a surrogate pair", "Unicode text. Mend the escapes in the file.")
    return value


def name_of(table: Table, row: Row, column: str) -> str | None:
    """Return a value as a name, or None where there is none; 1.0 is "1" and True is "true"."""
    value = row.values.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):  # data frames write a gap as NaN
        return None
    name = plain_name(value)
    if name is None:
        raise wrong(table, row, column, _shown(value), "a word or a whole number.")
    return name or None


def plain_name(value: object) -> str | None:
    """Return a word, a whole number or a truth value as a name, without the spaces around it; None for anything else.

    >>> plain_name(" yes "), plain_name(1.0), plain_name(True), plain_name(0.5)
    ('yes', '1', 'true', None)
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int) else None


def label_of(table: Table, row: Row, column: str) -> str:
    """Return the class name of a row; raise TaskError where there is none."""
    name = name_of(table, row, column)
    if name is None:
        raise wrong(table, row, column, "no label", "the name of a class. Fill it in or remove the row.")
    return name


def number_of(table: Table, row: Row, column: str) -> float:
    """Return a finite number; raise TaskError where there is none."""
    value = row.values.get(column)
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise wrong(table, row, column, "no value" if value is None else _shown(value), "a number. Fill it in.")
    return found


def own_split_of(table: Table, row: Row, column: str) -> str:
    """Return the split that the data set itself puts a row into; raise TaskError where it is none."""
    name = name_of(table, row, column)
    if name not in TEST_FIRST:
        found = "no split" if name is None else f'"{name}"'
        raise wrong(table, row, column, found, f"the name of a split.{did_you_mean(name or '', TEST_FIRST)}")
    return name


def _shown(value: object) -> str:
    return f"{type(value).__name__} {value!r:.60}"


def classes_of(table: Table, column: str, labels: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes in their order.

    Raises TaskError for a label outside `classes`, a class without items, or labels that are all the same.
    """
    found = sorted(set(labels), key=_by_number)
    if classes is not None:
        for row, label in zip(table.rows, labels, strict=True):
            if label not in classes:
                raise wrong(
                    table, row, column, f'label "{label}"', f'one of the setting "classes".{_near(label, classes)}'
                )
        for name in classes:
            if name not in found:
                raise TaskError(
                    f'{table.source}, column "{column}": class "{name}" of the setting "classes" has no '
                    f"items (found {some(found)}). Add items of this class, or leave it out of the "
                    "classes."
                )
        return tuple(classes)
    if len(found) < 2:
        raise TaskError(
            f'{table.source}, column "{column}": all {len(labels)} labels are "{found[0]}"; wanted two classes or more.'
        )
    return tuple(found)


def _by_number(name: str) -> tuple[int, int, str]:
    """Order whole numbers by value, before words in the order of the alphabet."""
    digits = name.removeprefix("-")
    return (0, int(name), name) if digits.isascii() and digits.isdigit() else (1, 0, name)


def _near(label: str, classes: Sequence[str]) -> str:
    """Return a hint at the nearest class; where none is near, at the first few."""
    hint = did_you_mean(label, classes)
    return f" Known: {some(classes)}." if hint.startswith(" Known") else hint


def class_names(classes: Sequence[ClassName] | None) -> tuple[str, ...] | None:
    """Return the setting `classes` as the names that the data's labels have, by the same rule as for the labels.

    Raises ValueError where there are fewer than two, one is there twice, or one can be no label.

    >>> class_names((0, 1)), class_names((False, True)), class_names(("no", " yes"))
    (('0', '1'), ('false', 'true'), ('no', 'yes'))
    """
    if classes is None:
        return None
    names = [plain_name(one) for one in classes]
    for one, name in zip(classes, names, strict=True):
        if not name:
            raise ValueError(f"classes must be words or whole numbers, found {one!r}")
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"classes must be two or more different names, found {some([str(one) for one in names])}")
    return tuple(name for name in names if name)


def check_prompt(prompt: str) -> None:
    """Raise ValueError unless a prompt holds `{text}` exactly once."""
    if prompt.count("{text}") != 1:
        raise ValueError(f'prompt must hold "{{text}}" exactly once, found {prompt!r}')
