"""Texts that are the same, or nearly the same, so that no model is tested on what it was trained on.

Exact duplicates have the same text after Unicode NFKC, case folding and collapsing of white space.
Punctuation stays: it is all that tells ":)" from ":(" or "3 - 1" from "3 + 1".

Near duplicates share more than 0.8 of the distinct 8-grams of whichever has fewer:

    overlap(a, b) = |G(a) & G(b)| / min(|G(a)|, |G(b)|)        G(t) = set of runs of 8 consecutive words of t

Words are the runs of letters, digits and underscores of the normalised text. A text of 1 to 7 words has one
gram, all of its words, and so is a near duplicate only of a text with the same words; a text without words
has one gram, itself. A copy inside a longer text therefore counts (from 8 words on), one word changed in the
middle of a short text does not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt64

from trimtab.tasks.streamed.keys import keys_of
from trimtab.types import Array

WORDS_PER_GRAM = 8


class Components:
    """Disjoint sets of the numbers 0 to n - 1, merged pair by pair."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, member: int) -> int:
        """Return the number that stands for a member's set."""
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def merge(self, one: int, other: int) -> None:
        """Make the sets of two members one; the smaller number stands for it."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def roots(self) -> Int[Array, "items"]:
        """Return the number that stands for each member's set."""
        return np.array([self.find(member) for member in range(len(self._parent))], dtype=np.int64)


def normal_form(text: str) -> str:
    """Return a text without the differences that make no difference between duplicates.

    >>> normal_form(" The  ﬁlm\\tIS good! ")
    'the film is good!'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def near_duplicates(texts: Sequence[str]) -> Int[Array, "items"]:
    """Return for each text the index of the first text of its set of near duplicates.

    Near duplicates of near duplicates are in one set. Time grows with the number of words: a text is compared
    only with those that share one of its rarest grams, of which a near duplicate must share at least one.
    """
    owner, gram = grams_of(texts)
    gram, frequency = _counted(gram)
    sizes = np.bincount(owner, minlength=len(texts))
    shared = np.flatnonzero(frequency > 1)
    return near_sets(sizes, owner[shared], gram[shared], frequency[shared])


def near_sets(
    sizes: Int[Array, "items"],
    owner: Int[Array, "grams"],
    gram: Array,
    frequency: Int[Array, "grams"],
) -> Int[Array, "items"]:
    """Return the same from each text's number of distinct grams, and from those that another text has too.

    `owner` is the text of each of these grams, `frequency` in how many texts it is.
    """
    by_rarity = np.lexsort((gram, frequency, owner))
    ends = np.bincount(owner, minlength=len(sizes)).cumsum()[:-1]
    return _merged(sizes.tolist(), [row.tolist() for row in np.split(gram[by_rarity], ends)])


def _merged(sizes: list[int], grams: list[list[int]]) -> Int[Array, "items"]:
    found = Components(len(sizes))
    # gram -> set (its root when it was filed) -> texts with as many grams as the one that asks, or more
    filed: dict[int, dict[int, list[int]]] = {}
    for text in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        # a near duplicate shares one of the n - floor(0.8 n) rarest of n grams; unshared ones come first
        unshared = sizes[text] - len(grams[text])
        for gram in grams[text][: max(0, sizes[text] - 4 * sizes[text] // 5 - unshared)]:
            if gram in filed:
                filed[gram] = _compare(text, filed[gram], sizes, grams, found)
        for gram in grams[text]:
            filed.setdefault(gram, {}).setdefault(found.find(text), []).append(text)
    return found.roots()


def _compare(
    text: int, filed: dict[int, list[int]], sizes: list[int], grams: list[list[int]], found: Components
) -> dict[int, list[int]]:
    """Merge `text` with every set that holds a near duplicate of it and return the sets under their present
    roots."""
    own = set(grams[text])
    for root, others in filed.items():
        if found.find(root) == found.find(text):
            continue  # comparing would tell nothing new; this is what keeps ten thousand copies cheap
        for other in others:
            if 5 * len(own.intersection(grams[other])) > 4 * sizes[text]:
                found.merge(text, other)
                break
    present: dict[int, list[int]] = {}
    for root, others in filed.items():
        now = found.find(root)
        if now in present:
            present[now] += others
        else:
            present[now] = others
    return present


def _counted(gram: UInt64[Array, "grams"]) -> tuple[Int[Array, "grams"], Int[Array, "grams"]]:
    """Return small numbers in place of the grams, and how often each occurs."""
    count = np.unique(gram, return_inverse=True, return_counts=True)
    return count[1], count[2][count[1]]


def grams_of(texts: Sequence[str]) -> tuple[Int[Array, "grams"], UInt64[Array, "grams"]]:
    """Return the distinct grams of all texts as 64-bit hashes beside the index of the text that each belongs to.

    A gram's hash depends on its words alone, so that texts seen at different times can be compared.
    """
    vocabulary: dict[str, int] = {"": 0}
    flat: list[int] = []
    lengths: list[int] = []
    for text in texts:
        normal = normal_form(text)
        words = re.findall(r"\w+", normal) or [normal]
        words += [""] * (WORDS_PER_GRAM - len(words))
        flat += [vocabulary.setdefault(word, len(vocabulary)) for word in words]
        lengths.append(len(words))
    codes = keys_of(vocabulary)[flat]
    windows = max(0, len(flat) - WORDS_PER_GRAM + 1)
    hashes = np.zeros(windows, dtype=np.uint64)
    for place in range(WORDS_PER_GRAM):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + windows]
    owner = np.repeat(np.arange(len(texts)), lengths)[:windows]
    inside = owner == np.repeat(np.arange(len(texts)), lengths)[WORDS_PER_GRAM - 1 :]
    owner, hashes = owner[inside], hashes[inside]
    order = np.lexsort((hashes, owner))
    owner, hashes = owner[order], hashes[order]
    first = np.ones(len(owner), dtype=bool)
    first[1:] = (owner[1:] != owner[:-1]) | (hashes[1:] != hashes[:-1])
    return owner[first], hashes[first]
