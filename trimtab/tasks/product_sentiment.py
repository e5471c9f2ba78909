"""Is a sentence of a product review positive or negative? 3,708 sentences of 309 reviews with 20 human
ratings each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.tasks.hutto import check_held, check_threshold, read_snippets
from trimtab.types import Items

NOTES = ("The sentences come from 309 reviews of 5 products: reviews are kept together, products are not.",)


def review_of(item: str) -> str:
    """Return the review of a sentence.

    >>> review_of("309_7")
    '309'
    """
    return item.partition("_")[0]


@dataclass(frozen=True)
class ProductSentiment:
    """Product review sentences of Hutto and Gilbert 2014 (asset `vader`), grouped by review; gold is the sign
    of the mean human rating."""

    min_abs_mean: float = 0.5
    """Items whose mean rating (-4 to 4) is this close to 0, or closer, are left out; this uses ground truth,
    and the report says so."""
    prompt: str = "Product review: {text} Sentiment of the sentence (positive or negative):"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    held_ratings: int = 0
    """Ratings of each item that are kept for human supervisors, 0 to 10; gold is the mean of the others. Use the same
    number in all studies that are compared."""

    kind: ClassVar[str] = "product_sentiment"

    def __post_init__(self) -> None:
        check_threshold(self.min_abs_mean)
        check_held(self.held_ratings)

    def read(self) -> Items:
        """Return the items beyond the threshold, in the order of the asset."""
        from trimtab.assets import path

        return read_snippets(
            path("vader"), "amazonReviewSnippets", self.min_abs_mean, self.prompt, review_of, NOTES, self.held_ratings
        )

    def fingerprint(self) -> str:
        """Return the digest of the asset."""
        from trimtab.assets import fingerprint

        return fingerprint("vader")
