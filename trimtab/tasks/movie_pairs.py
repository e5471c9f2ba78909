"""Which of two movie snippets is the more positive one? With a second goal: which one is longer?

    gold        = the snippet with the larger mean of 15 to 29 human ratings
    second_gold = the snippet with more characters

Snippets are paired at random, each in at most one pair. Pairs whose means are equal or nearly so, or whose lengths are
equal, are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trimtab.tasks.allocate import generator
from trimtab.tasks.duplicates import normal_form
from trimtab.tasks.hutto import CONTAMINATION, read_snippets
from trimtab.tasks.movie_sentiment import NOTES
from trimtab.tasks.pairs import Pair, items_of_pairs
from trimtab.types import Items


@dataclass(frozen=True)
class Snippet:
    """A text and the mean of its ratings."""

    text: str
    mean: float


@dataclass(frozen=True)
class MoviePairs:
    """Pairs of movie review snippets of Hutto and Gilbert 2014 (asset `vader`); the better one is the more positive."""

    min_difference: float = 0.5
    """Pairs whose mean ratings (-4 to 4) differ by this much or less are left out; this uses ground truth, and the
    report says so."""
    pair_seed: int = 0
    """Chooses which snippets are paired, and which one of a pair comes first."""
    prompt: str = "Review: {text} Sentiment of the review (positive or negative):"
    """How a causal model is asked about each snippet; holds `{text}` once."""

    kind: ClassVar[str] = "movie_pairs"
    paired: ClassVar[bool] = True
    second_goal: ClassVar[str] = "the longer snippet"

    def __post_init__(self) -> None:
        if not 0 <= self.min_difference < 8:
            raise ValueError(f"min_difference must be at least 0 and below 8, found {self.min_difference}")

    def read(self) -> Items:
        """Return the pairs."""
        from trimtab.assets import path

        found = read_snippets(path("vader"), "movieReviewSnippets", 0.0, self.prompt, str, ())
        assert found.ratings is not None
        means = [math.fsum(ratings) / len(ratings) for ratings in found.ratings]
        snippets = [Snippet(text, mean) for text, mean in zip(found.texts, means, strict=True)]
        return replace(pairs_of(snippets, self.min_difference, self.pair_seed), prompt=self.prompt)

    def fingerprint(self) -> str:
        """Return the digest of the asset."""
        from trimtab.assets import fingerprint

        return fingerprint("vader")


def pairs_of(snippets: list[Snippet], min_difference: float, seed: int) -> Items:
    """Return pairs of two goals; of snippets with the same text the first is taken."""
    distinct = list({normal_form(one.text): one for one in reversed(snippets)}.values())
    distinct.sort(key=lambda one: one.text)  # whatever the order that they came in
    shuffled = [distinct[place] for place in generator("movie_pairs", seed).permutation(len(distinct))]
    drawn = list(zip(shuffled[::2], shuffled[1::2], strict=False))
    kept = [
        sorted(two, key=lambda one: -one.mean)
        for two in drawn
        if abs(two[0].mean - two[1].mean) > min_difference and len(two[0].text) != len(two[1].text)
    ]
    pairs = [Pair("", better.text, worse.text, None) for better, worse in kept]
    longer = np.array([len(better.text) > len(worse.text) for better, worse in kept])
    items = items_of_pairs(pairs, seed, own_splits=False)
    return replace(
        items,
        second_gold=np.where(longer, items.gold, 1 - items.gold),
        slices={"difference of mean ratings": np.array([better.mean - worse.mean for better, worse in kept])},
        notes=(*_notes(len(drawn), longer, min_difference), CONTAMINATION, *NOTES),
    )


def _notes(drawn: int, longer: np.ndarray, min_difference: float) -> tuple[str, ...]:
    agree = 100 * longer.mean() if len(longer) else 0.0
    return (
        f"{drawn - len(longer)} of {drawn} pairs were left out because their mean ratings differ by {min_difference:g} "
        "or less, or their lengths not at all. That uses ground truth to drop the hard pairs.",
        f"The second goal is the longer snippet: in {agree:.1f} % of the {len(longer)} pairs it is also the more "
        "positive one.",
    )
