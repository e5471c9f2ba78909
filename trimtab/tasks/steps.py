"""Claims about sums of several steps: right ones, and as many with a plausible mistake in them.

    value = start + s_1 n_1 + .. + s_k n_k        s_j = +1 or -1, no result on the way below 0;  k is the level

A mistake gives another result:

    carry   value + 10 or - 10
    step    one step left out, or done twice
    swap    one step added that is to be taken away, or the other way round

It counts only if it has as many digits as the value and is even or odd like it. So each sum has a right claim and a
wrong one with equally many digits and the same parity; a fair coin that knows nothing of the sum decides which is made.
Lengths, digits, signs and parity tell nothing of the class.

A claim says `= number`, or `> number`: then the number lies below the value where the claim is right, above it where it
is wrong, as far away as the mistake would be.

Two sums are the same if they start from, add and take away the same numbers in any order, where the start is added; no
sum comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.errors import TaskError
from trimtab.types import Items

GENERATOR_VERSION = 1
"""Raised whenever equal settings would give other items."""
LEAST = 2
"""Smallest number that is written, so that a noun after it is in the plural."""
MISTAKES = ("carry", "step", "swap")
RELATIONS = ("=", ">")
_PATIENCE = 60
"""Draws for each sum that is wanted before a level counts as exhausted."""

Below = Callable[[int], int]
"""Draws a whole number from 0 up to, not including, its argument."""


@dataclass(frozen=True)
class Sum:
    """A start and its steps, in their order."""

    start: int
    steps: tuple[int, ...]
    """Numbers that are added, negative where they are taken away."""

    @property
    def value(self) -> int:
        """The result.

        >>> Sum(23, (45, -12)).value
        56
        """
        return self.start + sum(self.steps)

    @property
    def key(self) -> str:
        """The same for sums that are the same.

        >>> Sum(23, (45, -12)).key == Sum(45, (-12, 23)).key
        True
        """
        return "".join(f"{number:+d}" for number in sorted((self.start, *self.steps)))


@dataclass(frozen=True)
class Claim:
    """A sum with what is said of its result."""

    sum: Sum
    number: int
    right: bool


def mistaken(told: Sum, kind: str) -> list[int]:
    """Return the results of one kind of mistake.

    >>> mistaken(Sum(23, (45, -12)), "swap")
    [-34, 80]
    """
    value = told.value
    if kind == "carry":
        return [value - 10, value + 10]
    if kind == "step":
        return [value + sign * step for step in told.steps for sign in (-1, 1)]
    return [value - 2 * step for step in told.steps]


def claims(
    items: int, levels: Sequence[int], largest: int, mistakes: Sequence[str], relation: str, seed: int
) -> list[Claim]:
    """Return claims with as many of each level and, within a level, of each class, as the number of items allows.

    Raises TaskError where a level has not so many different sums of numbers up to `largest`.
    """
    found = []
    for place, level in enumerate(levels):
        wanted = items * (place + 1) // len(levels) - items * place // len(levels)
        coins = np.random.Generator(np.random.PCG64([seed, level, 1])).permutation(wanted) % 2 == 0
        # a stream for each level, so that other levels beside it change nothing
        uniform = np.random.Generator(np.random.PCG64([seed, level, 0])).random

        def below(size: int, uniform: Callable[[], float] = uniform) -> int:
            return int(uniform() * size)

        pairs = _told_apart(level, wanted, largest, mistakes, relation, below)
        found += [
            Claim(told, one if right else other, bool(right))
            for (told, one, other), right in zip(pairs, coins, strict=True)
        ]
    return found


def items_of_claims(made: Sequence[Claim], texts: Sequence[str], name: str, prompt: str) -> Items:
    """Return claims as items of two classes with their level as a number; `name` begins each id."""
    return Items(
        ids=tuple(f"{name}-{index:06d}" for index in range(len(made))),
        texts=tuple(texts),
        gold=np.array([one.right for one in made], np.int64),
        classes=("wrong", "right"),
        groups=tuple(one.sum.key for one in made),
        prompt=prompt,
        slices={"level": np.array([len(one.sum.steps) for one in made], float)},
        notes=("The items are generated: this is simulated data.",),
    )


def check_settings(items: int, levels: Sequence[int], largest: int, mistakes: Sequence[str], relation: str) -> None:
    """Raise ValueError where no claims can be made from such settings."""
    if items < 1 or largest < LEAST:
        raise ValueError(f"items must be at least 1 and largest at least {LEAST}, found {items} and {largest}")
    if not levels or min(levels) < 1 or list(levels) != sorted(set(levels)):
        raise ValueError(f"levels must be rising whole numbers of at least 1, found {list(levels)}")
    if not mistakes or not set(mistakes) <= set(MISTAKES) or len(set(mistakes)) < len(mistakes):
        raise ValueError(f"mistakes must be some of {', '.join(MISTAKES)}, each once, found {list(mistakes)}")
    if relation not in RELATIONS:
        raise ValueError(f'relation must be "=" or ">", found {relation!r}')


def _told_apart(
    level: int, wanted: int, largest: int, mistakes: Sequence[str], relation: str, below: Below
) -> Iterator[tuple[Sum, int, int]]:
    """Yield different sums, each with the number of its right claim and that of its wrong one."""
    seen: set[str] = set()
    for _ in range(_PATIENCE * wanted + 1000):
        if len(seen) == wanted:
            return
        told = _drawn(level, largest, below)
        if told.value < LEAST or told.key in seen:
            continue
        options = [one for kind in mistakes if (one := _numbers(told, kind, relation))]
        if options:
            seen.add(told.key)
            chosen = options[below(len(options))]
            yield (told, *chosen[below(len(chosen))])
    if len(seen) < wanted:
        raise TaskError(
            f"Level {level} has too few different sums of numbers up to {largest}: found {len(seen)}, wanted {wanted}. "
            "Make `largest` larger, `items` smaller, or leave the level out."
        )


def _drawn(level: int, largest: int, below: Below) -> Sum:
    start = now = LEAST + below(largest - LEAST + 1)
    steps = []
    for _ in range(level):
        taken = below(2) and now >= LEAST
        number = LEAST + below((min(now, largest) if taken else largest) - LEAST + 1)
        steps.append(-number if taken else number)
        now += steps[-1]
    return Sum(start, tuple(steps))


def _numbers(told: Sum, kind: str, relation: str) -> list[tuple[int, int]]:
    """Return the numbers of a right claim and of a wrong one for each mistake of a kind that counts."""
    value = told.value
    found = []
    for other in mistaken(told, kind):
        below = 2 * value - other if other > value else other
        above = 2 * value - below
        pair = (value, other) if relation == "=" else (below, above)
        alike = all(one >= LEAST and len(str(one)) == len(str(value)) for one in pair)
        if alike and other != value and (other - value) % 2 == 0:
            found.append(pair)
    return found
