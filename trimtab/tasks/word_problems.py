"""Made-up word problems with a proposed answer: is it right? The level is the number of steps.

    Mia has 23 shells. Mia finds 45 more. Mia gives away 12. Now Mia has 56 shells.

The sums and their mistakes are those of `trimtab/tasks/steps.py`; names, things and verbs are drawn beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trimtab.digest import digest_of, settings_of
from trimtab.tasks.steps import GENERATOR_VERSION, LEAST, MISTAKES, Claim, check_settings, claims, items_of_claims
from trimtab.tasks.values import check_prompt
from trimtab.types import Items

NAMES = ("Mia", "Ben", "Ana", "Tom", "Lea", "Sam", "Ida", "Max", "Eva", "Jon", "Zoe", "Leo")
THINGS = ("shells", "marbles", "stamps", "cards", "coins", "beads", "apples", "stickers", "pencils", "buttons")
GAINS = ("finds {} more", "buys {} more", "wins {} more", "is given {} more")
LOSSES = ("gives away {}", "loses {}", "sells {}", "breaks {}")
_DRAWS = 6
"""Random numbers of a story: two names, two things, number and place of the distractor. Each step has one more."""


@dataclass(frozen=True)
class WordProblems:
    """Generated stories of things that somebody gets and loses, half of them with a plausible mistake at the end;
    simulated data, never a result about the world."""

    items: int = 4000
    """Number of problems, as many of each level and class as it allows."""
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Numbers of steps, rising."""
    largest: int = 99
    """Largest number at the start and in a step; the smallest is 2."""
    distractor: bool = False
    """Whether a sentence about somebody else's things stands somewhere between the others; it does not matter."""
    mistakes: tuple[str, ...] = MISTAKES
    """Kinds of mistakes, as in the task `arithmetic`: carry, step, swap."""
    relation: str = "="
    """`=` proposes the result; `>` proposes a number that it is larger than ("more than 40")."""
    data_seed: int = 0
    """Seed of the generator: another seed, other items."""
    prompt: str = "{text}\nIs this right or wrong? It is"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "word_problems"

    def __post_init__(self) -> None:
        check_settings(self.items, self.levels, self.largest, self.mistakes, self.relation)
        check_prompt(self.prompt)

    def read(self) -> Items:
        """Return the generated problems.

        Raises TaskError where a level has too few different sums.
        """
        made = claims(self.items, self.levels, self.largest, self.mistakes, self.relation, self.data_seed)
        words = np.random.Generator(np.random.PCG64([self.data_seed, 0, 2]))
        draws = words.random((len(made), _DRAWS + max(self.levels))).tolist()
        texts = [self._story(one, row[:_DRAWS], row[_DRAWS:]) for one, row in zip(made, draws, strict=True)]
        return items_of_claims(made, texts, "word-problem", self.prompt)

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the version of the generator."""
        return digest_of({"generator": GENERATOR_VERSION, "settings": settings_of(self)})

    def _story(self, told: Claim, draws: Sequence[float], verbs: Sequence[float]) -> str:
        """Return a problem as it is told; each draw, in [0, 1), decides one word, number or place."""
        who, other, what, others, number, place = draws
        name, things = _of(NAMES, who), _of(THINGS, what)
        sentences = [f"{name} has {told.sum.start} {things}."]
        for step, verb in zip(told.sum.steps, verbs, strict=False):
            sentences.append(f"{name} {_of(LOSSES if step < 0 else GAINS, verb).format(abs(step))}.")
        if self.distractor:
            someone = _of([one for one in NAMES if one != name], other)
            something = _of([one for one in THINGS if one != things], others)
            count = LEAST + int(number * (self.largest - LEAST + 1))
            sentences.insert(1 + int(place * len(sentences)), f"{someone} has {count} {something}.")
        more = "more than " if self.relation == ">" else ""
        return " ".join([*sentences, f"Now {name} has {more}{told.number} {things}."])


def _of(words: Sequence[str], draw: float) -> str:
    return words[int(draw * len(words))]
