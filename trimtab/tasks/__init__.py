"""Data sets, one kind per file: frozen settings that read themselves into `Items`.

Add one: a module with a frozen settings dataclass that satisfies `Task`, and one line in `TASKS`; from
another package, an entry point of the group `trimtab.tasks` that names the class.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from trimtab.types import Items

TASKS: dict[str, str] = {
    "movie_sentiment": "trimtab.tasks.movie_sentiment:MovieSentiment",
    "tweet_sentiment": "trimtab.tasks.tweet_sentiment:TweetSentiment",
    "tweet_three_class": "trimtab.tasks.tweet_three_class:TweetThreeClass",
    "product_sentiment": "trimtab.tasks.product_sentiment:ProductSentiment",
    "file": "trimtab.tasks.file:File",
    "hub": "trimtab.tasks.hub:Hub",
    "features": "trimtab.tasks.features:Features",
    "pairs": "trimtab.tasks.pairs:Pairs",
    "choices": "trimtab.tasks.choices:Choices",
    "chess_mate_in_one": "trimtab.tasks.chess_mate_in_one:ChessMateInOne",
    "movie_pairs": "trimtab.tasks.movie_pairs:MoviePairs",
    "stream": "trimtab.tasks.stream:Stream",
    "synthetic": "trimtab.tasks.synthetic:Synthetic",
    "arithmetic": "trimtab.tasks.arithmetic:Arithmetic",
    "word_problems": "trimtab.tasks.word_problems:WordProblems",
}
"""Kind of task to "module:class"; nothing is imported before `trimtab.components.find` is asked for it."""


@runtime_checkable
class Task(Protocol):
    """Frozen settings of one data set."""

    kind: ClassVar[str]
    """The word after `kind:` in an experiment file."""

    def read(self) -> Items:
        """Return every item of the data set, before any split."""
        ...

    def fingerprint(self) -> str:
        """Return a digest of what the data is made from: it changes when the data does."""
        ...
