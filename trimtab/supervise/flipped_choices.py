"""Control (a) for choices: ground truth with the weak labels' error rate but none of their structure.

    h_i = y_i with probability a,  else another choice of item i, each with probability (1 - a) / (C_i - 1)
    a = share of the items whose most probable choice by the weak labels is right

The error rate is one for all items: places are no classes, so that there is none of each class to keep
(`flipped_truth.py`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from trimtab.supervise.flipped_truth import STREAM
from trimtab.supervise.gold import one_hot
from trimtab.types import Array, Labels


def flipped_choices(gold: Labels, weak: Labels, counts: Int[Array, "items"], seed: int) -> Labels:
    """Return hard labels: the truth, or in as many cases as the weak labels err another of the item's own choices.

    `gold` and `weak` are labels of the same items in the same order; `counts` says how many choices each item has.
    """
    true_choice, choices = gold.probabilities.argmax(1), gold.probabilities.shape[1]
    right = float((weak.probabilities.argmax(1) == true_choice).mean())
    generator = np.random.default_rng([seed, STREAM])
    chance, position = generator.random((2, len(true_choice)))
    # a step of 1 to count - 1 places from the true one, round the item's own choices
    step = 1 + np.minimum((position * (counts - 1)).astype(np.int64), counts - 2)
    drawn = np.where(chance < right, true_choice, (true_choice + step) % counts)
    return Labels(gold.ids, one_hot(drawn, choices), np.ones(len(gold.ids)), "oracle")
