"""Dividing items: how many of each class, and which ones, without breaking up groups."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from trimtab.types import Array


def generator(*key: object) -> np.random.Generator:
    """Return a random generator that depends on nothing but its key, the same on every platform."""
    seed = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))


def largest_remainder(total: int, counts: Sequence[int]) -> list[int]:
    """Return how many of `total` items each class gets, in proportion to its count and within 1 of it.

    The shares are exact fractions; whole parts come first, then the largest remainders, ties to the earlier
    class. No class gets more than its count as long as `total` is at most the sum of the counts.

    >>> largest_remainder(5, [70, 20, 10])
    [4, 1, 0]
    """
    whole = sum(counts)
    if whole == 0:
        return [0] * len(counts)
    targets = [total * count // whole for count in counts]
    remainders = [total * count % whole for count in counts]
    for index in sorted(range(len(counts)), key=lambda c: -remainders[c])[: total - sum(targets)]:
        targets[index] += 1
    return targets


def class_counts(gold: Int[Array, "items"], members: Sequence[int], classes: int) -> list[int]:
    """Return the number of members of each class."""
    return np.bincount(gold[np.asarray(members, dtype=np.int64)], minlength=classes).tolist()


def choose_grouped(
    random: np.random.Generator,
    members: Sequence[int],
    gold: Int[Array, "items"],
    group: Int[Array, "items"],
    targets: Sequence[int],
) -> list[int]:
    """Return members with exactly `targets[c]` of class c, or fewer of a class where groups leave no more.

    Whole groups are taken in random order as long as they fit. What is still wanted is then taken from parts
    of the groups that did not fit, the smallest first; the rest of such a group is the caller's to leave
    unused.
    """
    by_group: dict[int, list[int]] = {}
    for position in random.permutation(len(members)):
        by_group.setdefault(int(group[members[position]]), []).append(members[position])
    wanted = list(targets)
    chosen: list[int] = []
    broken: list[list[int]] = []
    for together in by_group.values():
        counts = [0] * len(wanted)
        for member in together:
            counts[gold[member]] += 1
        if any(count > want for count, want in zip(counts, wanted, strict=True)):
            broken.append(together)
            continue
        chosen += together
        wanted = [want - count for want, count in zip(wanted, counts, strict=True)]
    for together in sorted(broken, key=len):
        for member in together:
            if wanted[gold[member]] > 0:
                wanted[gold[member]] -= 1
                chosen.append(member)
    return sorted(chosen)


def take(
    random: np.random.Generator,
    members: Sequence[int],
    gold: Int[Array, "items"],
    group: Int[Array, "items"],
    size: int,
    classes: int,
) -> list[int]:
    """Return `size` of the members with their class shares, groups unbroken as far as the size allows; all if
    fewer."""
    if size >= len(members):
        return sorted(members)
    return choose_grouped(random, members, gold, group, largest_remainder(size, class_counts(gold, members, classes)))
