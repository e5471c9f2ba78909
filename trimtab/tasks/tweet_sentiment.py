"""Is a tweet positive or negative? 4,200 tweets with 20 to 99 human ratings each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.tasks.hutto import check_held, check_threshold, read_snippets
from trimtab.types import Items

NOTES = ("200 of the 4,200 texts were made up by the authors of the set to test grammar.",)


@dataclass(frozen=True)
class TweetSentiment:
    """Tweets of Hutto and Gilbert 2014 (asset `vader`); gold is the sign of the mean human rating."""

    min_abs_mean: float = 0.5
    """Items whose mean rating (-4 to 4) is this close to 0, or closer, are left out; this uses ground truth,
    and the report says so."""
    prompt: str = "Tweet: {text} Sentiment of the tweet (positive or negative):"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    held_ratings: int = 0
    """Ratings of each item that are kept for human supervisors, 0 to 10; gold is the mean of the others. Use the same
    number in all studies that are compared."""

    kind: ClassVar[str] = "tweet_sentiment"

    def __post_init__(self) -> None:
        check_threshold(self.min_abs_mean)
        check_held(self.held_ratings)

    def read(self) -> Items:
        """Return the items beyond the threshold, in the order of the asset."""
        from trimtab.assets import path

        return read_snippets(path("vader"), "tweets", self.min_abs_mean, self.prompt, str, NOTES, self.held_ratings)

    def fingerprint(self) -> str:
        """Return the digest of the asset."""
        from trimtab.assets import fingerprint

        return fingerprint("vader")
