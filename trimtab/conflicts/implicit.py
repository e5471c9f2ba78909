"""Implicit conflict: beside the weak labels the student learns the true labels of a second goal.

    L = [ sum_i w_i CE(q_i, p_i) + weight sum_j CE(y_j, p_j) ] / [ sum_i w_i + weight n ]

i are the transfer items with the labels q and weights w of the method, j the n items of the split `second` with the
truth y of the second goal. The two goals ask the same kind of question and partly want other answers; how often they
agree on the test items is stated beside the results.

Yang et al. 2024 (implicit conflict: harmless pairs and helpful ones)  https://arxiv.org/abs/2406.11431
Truth level none: the goal that is measured lends no truth of its transfer or test items. The truth of the second goal
is read, and a warning beside the results says of how many items.
Differs from its code: the weight is a setting; there every item weighs the same, which is the default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trimtab.supervise.gold import one_hot
from trimtab.types import Array, Labels, Truth


def with_second_goal(labels: Labels, ids: tuple[str, ...], gold: Array, weight: float) -> Labels:
    """Return the labels, then those of the second goal's items: one-hot rows of the same weight each.

    >>> first = Labels(("a",), np.array([[0.3, 0.7]]), np.ones(1))
    >>> both = with_second_goal(first, ("b",), np.array([0]), 0.5)
    >>> both.ids, both.probabilities.tolist(), both.weights.tolist()
    (('a', 'b'), [[0.3, 0.7], [1.0, 0.0]], [1.0, 0.5])
    """
    return Labels(
        (*labels.ids, *ids),
        np.concatenate([labels.probabilities, one_hot(gold, labels.probabilities.shape[1])]),
        np.concatenate([labels.weights, np.full(len(ids), float(weight))]),
        labels.truth,
    )


@dataclass(frozen=True)
class Implicit:
    """Learn a second goal from true labels, on items of its own."""

    weight: float = 1.0
    """Weight of each item of the second goal, at least 0; a weak label's own is 1, and 0 is no conflict."""

    name: ClassVar[str] = "implicit"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"weight must be a finite number of at least 0, found {self.weight}")

    @property
    def truth(self) -> Truth:
        """Of the goal that is measured, nothing is read."""
        return "none"

    @property
    def absent(self) -> bool:
        """Whether the second goal weighs nothing."""
        return self.weight == 0
