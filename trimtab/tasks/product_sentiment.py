"""Is a sentence of a product review positive or negative? 3,708 sentences of 309 reviews with 20 human
ratings each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.tasks.hutto import check_threshold, read_snippets
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

    kind: ClassVar[str] = "product_sentiment"

    def __post_init__(self) -> None:
        check_threshold(self.min_abs_mean)

    def read(self) -> Items:
        """Return the items beyond the threshold, in the order of the asset."""
        from trimtab.assets import path

        return read_snippets(path("vader"), "amazonReviewSnippets", self.min_abs_mean, self.prompt, review_of, NOTES)

    def fingerprint(self) -> str:
        """Return the digest of the asset."""
        from trimtab.assets import fingerprint

        return fingerprint("vader")
