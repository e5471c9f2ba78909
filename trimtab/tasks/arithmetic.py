"""Made-up statements such as "23 + 45 - 12 = 56": is it right? The level is the number of operations.

Ground truth is computed, difficulty is known, and there are as many items as one wants: for easy to hard
(`split: {by: level}`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.digest import digest_of, settings_of
from trimtab.tasks.steps import GENERATOR_VERSION, MISTAKES, Sum, check_settings, claims, items_of_claims
from trimtab.tasks.values import check_prompt
from trimtab.types import Items


@dataclass(frozen=True)
class Arithmetic:
    """Generated sums, half of them with a plausible mistake; simulated data, never a result about the world."""

    items: int = 4000
    """Number of statements, as many of each level and class as it allows."""
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Numbers of operations, rising."""
    largest: int = 99
    """Largest number that is added or taken away; the smallest is 2."""
    mistakes: tuple[str, ...] = MISTAKES
    """Kinds of mistakes: carry (10 too many or too few), step (one left out or done twice), swap (added in the place of
    taken away, or the other way round)."""
    relation: str = "="
    """`=` states the result; `>` states a number that the result is larger than."""
    data_seed: int = 0
    """Seed of the generator: another seed, other items."""
    prompt: str = "{text}\nIs this right or wrong? It is"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "arithmetic"

    def __post_init__(self) -> None:
        check_settings(self.items, self.levels, self.largest, self.mistakes, self.relation)
        check_prompt(self.prompt)

    def read(self) -> Items:
        """Return the generated statements.

        Raises TaskError where a level has too few different sums.
        """
        made = claims(self.items, self.levels, self.largest, self.mistakes, self.relation, self.data_seed)
        texts = [f"{written(one.sum)} {self.relation} {one.number}" for one in made]
        return items_of_claims(made, texts, "arithmetic", self.prompt)

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the version of the generator."""
        return digest_of({"generator": GENERATOR_VERSION, "settings": settings_of(self)})


def written(told: Sum) -> str:
    """Return a sum as it is written.

    >>> written(Sum(23, (45, -12)))
    '23 + 45 - 12'
    """
    return str(told.start) + "".join(f" {'-' if step < 0 else '+'} {abs(step)}" for step in told.steps)
