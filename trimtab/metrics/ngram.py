"""An n-gram model of words: how much texts sound like others, without any network.

    p(w | h) = ( max(c(h w) - d, 0)  +  d N(h) p(w | h') ) / c(h)          h' = h without its first word
    p(w)     = ( max(c(w) - d, 0)  +  d N / (V + 1) ) / c                  the last place is for unknown words

c counts, N(h) is the number of different words seen after h, d = 0.75 the discount; where h was never seen,
p(w | h) = p(w | h'). This is interpolated absolute discounting. Ney, Essen & Kneser 1994
https://doi.org/10.1006/csla.1994.1001
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

DISCOUNT = 0.75
START, END = "<s>", "</s>"
_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Return a text's words and marks in lower case.

    >>> words("A film, at last!")
    ['a', 'film', ',', 'at', 'last', '!']
    """
    return _WORD.findall(text.lower())


class NGram:
    """An n-gram model; `order` words are looked at together."""

    def __init__(self, texts: Sequence[str], order: int = 4) -> None:
        """Count the words of some texts. Raises ValueError for an order below 1 or texts without a word."""
        if order < 1:
            raise ValueError(f"an n-gram model needs an order of at least 1, found {order}")
        self.order = order
        self._after: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            read = [START] * (order - 1) + words(text) + [END]
            for place in range(order - 1, len(read)):
                for length in range(order):
                    self._after[tuple(read[place - length : place])][read[place]] += 1
        if not self._after.get(()):
            raise ValueError("an n-gram model needs texts with at least one word")
        self._sums = {history: sum(found.values()) for history, found in self._after.items()}

    def probability(self, word: str, history: Sequence[str]) -> float:
        """Return p(word | history), of which only the last order - 1 words count."""
        kept = tuple(history)[-(self.order - 1) :] if self.order > 1 else ()
        found = self._after[()]
        value = DISCOUNT * len(found) / (len(found) + 1)
        value = (max(found[word] - DISCOUNT, 0.0) + value) / self._sums[()]
        for length in range(1, len(kept) + 1):
            context = kept[len(kept) - length :]
            seen = self._after.get(context)
            if seen is None:
                break
            value = (max(seen[word] - DISCOUNT, 0.0) + DISCOUNT * len(seen) * value) / self._sums[context]
        return value

    def log_probability(self, text: str, after: str = "") -> tuple[float, int]:
        """Return the summed log-probability in nats of a text's words after another text, and how many words it has.

        That the text ends is not counted: it may have run out of room.
        """
        history = [START] * (self.order - 1) + words(after)
        total, read = 0.0, words(text)
        for word in read:
            total += math.log(self.probability(word, history))
            history.append(word)
        return total, len(read)
