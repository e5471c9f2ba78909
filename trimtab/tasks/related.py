"""The items that can be split: without exact duplicates, in the order of their ids, with what each is related
to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from trimtab.tasks.duplicates import Components, near_duplicates, normal_form
from trimtab.types import Array, Items

TEST_FIRST = {"test": 0, "supervisor": 1, "transfer": 2, "train": 3}
"""Which copy of a text that is in several of the data set's own splits stays."""


@dataclass(frozen=True)
class Candidates:
    """Items that may enter a split, sorted by id; one entry per item in every field but `classes` and
    `read`."""

    ids: tuple[str, ...]
    gold: Int[Array, "items"]
    groups: tuple[str, ...]
    near: Int[Array, "items"]
    """Equal for near duplicates: the position of the first of them."""
    related: Int[Array, "items"]
    """Equal for items that must not straddle two splits: by group, by template or as near duplicates."""
    own: tuple[str, ...] | None
    """The data set's own split of each item, if it has one."""
    grouped: bool
    """Whether the data set itself puts items into groups or templates."""
    classes: tuple[str, ...]
    read: int
    """Items of the data set before duplicates left."""


def deduplicated(items: Items) -> tuple[Candidates, Counter[str]]:
    """Return the items without exact duplicates and how many left as "duplicate" or "conflict"."""
    copies: dict[str, list[int]] = {}
    for index in sorted(range(len(items.ids)), key=lambda index: items.ids[index]):
        copies.setdefault(normal_form(items.texts[index]), []).append(index)
    dropped: Counter[str] = Counter(duplicate=0, conflict=0, near_duplicate=0, group=0)
    kept: list[int] = []
    for same in copies.values():
        if len({int(items.gold[index]) for index in same}) > 1:
            dropped["conflict"] += len(same)
            continue
        dropped["duplicate"] += len(same) - 1
        kept.append(same[0] if items.splits is None else min(same, key=lambda index: _precedence(items, index)))
    kept.sort(key=lambda index: items.ids[index])
    near = near_duplicates([items.texts[index] for index in kept])
    groups = tuple(items.groups[index] for index in kept)
    templates = None if items.templates is None else [items.templates[index] for index in kept]
    found = Candidates(
        ids=tuple(items.ids[index] for index in kept),
        gold=np.asarray(items.gold, dtype=np.int64)[kept],
        groups=groups,
        near=near,
        related=_related(near, groups, templates),
        own=None if items.splits is None else tuple(items.splits[index] for index in kept),
        grouped=templates is not None or len(set(groups)) < len(groups),
        classes=items.classes,
        read=len(items.ids),
    )
    return found, dropped


def leaving(found: Candidates, protected: Sequence[int], members: Sequence[int], dropped: Counter[str]) -> list[int]:
    """Return the members that are related to no protected item; count the others by why they leave."""
    related, near = set(found.related[list(protected)].tolist()), set(found.near[list(protected)].tolist())
    stay: list[int] = []
    for member in members:
        if found.related[member] not in related:
            stay.append(member)
        else:
            dropped["near_duplicate" if found.near[member] in near else "group"] += 1
    return stay


def _precedence(items: Items, index: int) -> tuple[int, str]:
    assert items.splits is not None
    return TEST_FIRST.get(items.splits[index], len(TEST_FIRST)), items.ids[index]


def _related(near: Int[Array, "items"], *names: Sequence[str] | None) -> Int[Array, "items"]:
    sets = Components(len(near))
    for member, first in enumerate(near.tolist()):
        sets.merge(member, first)
    for column in names:
        first_of: dict[str, int] = {}
        for member, name in enumerate(column or ()):
            sets.merge(member, first_of.setdefault(name, member))
    return sets.roots()
