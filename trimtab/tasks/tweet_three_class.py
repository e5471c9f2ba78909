"""Tweets of Hutto and Gilbert 2014 in three classes: negative, neutral and positive by the mean human rating."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trimtab.tasks.hutto import check_threshold, read_snippets
from trimtab.tasks.tweet_sentiment import NOTES
from trimtab.types import Items

CLASSES = ("negative", "neutral", "positive")
_EVERY_ITEM = -1.0


@dataclass(frozen=True)
class TweetThreeClass:
    """All tweets of the asset `vader`; none is left out."""

    neutral: float = 0.5
    """Items whose mean rating (-4 to 4) is this close to 0, or closer, are neutral; above 0 and below 4."""
    prompt: str = "Tweet: {text} Sentiment of the tweet (positive, neutral or negative):"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "tweet_three_class"

    def __post_init__(self) -> None:
        check_threshold(self.neutral)
        if self.neutral == 0:
            raise ValueError("neutral must be above 0; for two classes take the task tweet_sentiment")

    def read(self) -> Items:
        """Return all items, in the order of the asset."""
        from trimtab.assets import path

        items = read_snippets(path("vader"), "tweets", _EVERY_ITEM, self.prompt, str, NOTES)
        assert items.ratings is not None
        means = np.array([math.fsum(ratings) / len(ratings) for ratings in items.ratings])
        gold = np.where(means > self.neutral, 2, np.where(means < -self.neutral, 0, 1))
        border = f"Items whose mean rating lies within {self.neutral:g} of 0 are the class neutral; none was left out."
        return replace(items, gold=gold, classes=CLASSES, notes=(border, *items.notes[1:]))

    def fingerprint(self) -> str:
        """Return the digest of the asset."""
        from trimtab.assets import fingerprint

        return fingerprint("vader")
