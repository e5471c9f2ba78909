"""Distinct-n: the share of different n-grams among all n-grams of some answers.

    distinct_n = |{n-grams}| / (number of n-grams)

A corpus of one sentence said again and again is near 0. It falls with the number of words, so that only sets of about
equally long answers can be compared. Li et al. 2016  https://arxiv.org/abs/1510.03055
"""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.metrics.ngram import words


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Return distinct-n over all texts together; None where no text has n words.

    >>> distinct(["a b c", "a b d"])
    0.75
    """
    found = [tuple(read[i : i + n]) for read in map(words, texts) for i in range(len(read) - n + 1)]
    return len(set(found)) / len(found) if found else None
