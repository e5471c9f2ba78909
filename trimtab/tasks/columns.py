"""From the user's own columns to items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from trimtab.errors import TaskError
from trimtab.tasks.own_splits import check_own_names
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.values import classes_of, label_of, name_of, number_of, own_split_of, text_of, wrong
from trimtab.types import Array, Items


@dataclass(frozen=True)
class Columns:
    """Which column holds what; none = the data set has no such column."""

    text: str
    label: str
    id: str | None = None
    group: str | None = None
    template: str | None = None
    split: str | None = None

    def named(self) -> tuple[str, ...]:
        """Return the columns that are asked for."""
        return tuple(name for name in vars(self).values() if name is not None)

    def overlooked(self, present: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that have the name of a setting which nobody set, so that they do not count."""
        unset = [setting for setting, name in vars(self).items() if name is None]
        return tuple(name for name in unset if name in present and name not in self.named())


def items_of(table: Table, columns: Columns, classes: Sequence[str] | None, prompt: str) -> Items:
    """Return the items of a table.

    Raises TaskError where a column is missing, a value is empty or of a wrong type, a label is outside
    `classes`, an id is there twice, or all labels are of one class.
    """
    for setting, name in vars(columns).items():
        if name is not None:
            table.require(name, setting)
    texts = [text_of(table, row, columns.text) for row in table.rows]
    labels = [label_of(table, row, columns.label) for row in table.rows]
    names = classes_of(table, columns.label, labels, classes)
    splits = None if columns.split is None else [own_split_of(table, row, columns.split) for row in table.rows]
    groups = None if columns.group is None else [name_of(table, row, columns.group) for row in table.rows]
    templates = None if columns.template is None else [name_of(table, row, columns.template) for row in table.rows]
    if columns.id is None:
        ids = _content_ids(texts, labels, groups, templates, splits)
    else:
        ids = _own_ids(table, columns.id)
    index = {name: place for place, name in enumerate(names)}
    if splits is not None:
        _check_splits(table, splits)
    return Items(
        ids=tuple(ids),
        texts=tuple(texts),
        gold=np.array([index[label] for label in labels], dtype=np.int64),
        classes=names,
        groups=_alone(ids, groups) or tuple(ids),
        prompt=prompt,
        templates=_alone(ids, templates),
        splits=None if splits is None else tuple(splits),
        notes=tuple(_not_used(table, name) for name in columns.overlooked(table.columns)),
    )


def numbers_of(table: Table, column: str) -> Float[Array, "items"]:
    """Return a column of numbers.

    Raises TaskError where it is missing, or a value is not a finite number.
    """
    table.require(column, "slices")
    return np.array([number_of(table, row, column) for row in table.rows])


def _not_used(table: Table, name: str) -> str:
    return (
        f'{Path(table.source).name} has a column "{name}", which is not used: a column counts only where the task '
        f"names it. If it is meant, add `{name}: {name}` to the task."
    )


def _own_ids(table: Table, column: str) -> list[str]:
    first: dict[str, Row] = {}
    for row in table.rows:
        name = name_of(table, row, column)
        if name is None:
            raise wrong(table, row, column, "no id", "a different id in every row.")
        if name in first:
            raise wrong(
                table,
                row,
                column,
                f'id "{name}", which {first[name].place} has too',
                "a different id in every row.",
            )
        first[name] = row
    return list(first)


def _content_ids(texts: Sequence[str], labels: Sequence[str], *others: Sequence[str | None] | None) -> list[str]:
    """Return ids made from what an item says, so that neither the order of the rows nor new rows change them.

    Labels do not enter the id; rows that are equal otherwise are numbered in the order of their labels.
    """
    ids = [""] * len(texts)
    seen: dict[str, int] = {}
    for at in sorted(range(len(texts)), key=lambda at: labels[at]):
        content = json.dumps([texts[at], *(column and column[at] for column in others)])
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        seen[key] = seen.get(key, 0) + 1
        ids[at] = key if seen[key] == 1 else f"{key}-{seen[key]}"
    return ids


def _alone(ids: Sequence[str], names: Sequence[str | None] | None) -> tuple[str, ...] | None:
    """Return names in which an item without one has one of its own."""
    if names is None:
        return None
    return tuple(f"alone: {key}" if name is None else name for key, name in zip(ids, names, strict=True))


def _check_splits(table: Table, splits: Sequence[str]) -> None:
    try:
        check_own_names(set(splits))
    except TaskError as error:
        raise TaskError(f"{table.source}: {error}") from None
