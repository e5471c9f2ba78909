"""Control (a): ground truth with the weak labels' error rate but none of their structure.

    h_i = y_i with probability A[y_i, y_i],  else class c with probability A[y_i, c]
    A[y, c] = share of the true-class-y items that the weak labels put into class c

A student that beats its supervisor only because it averages independent errors away gains as much from these labels.
Random label noise of equal rate as a reference: Burns et al. 2023, section 5.1 on imitating errors
https://arxiv.org/abs/2312.09390
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.supervise.gold import one_hot
from trimtab.types import Array, Labels

STREAM = 0xF11B
"""Which of a seed's random streams flips labels."""


def confusion_counts(
    gold: Int[Array, "items"], weak: Int[Array, "items"], classes: int
) -> Float[Array, "classes classes"]:
    """Return how many items of true class y (rows) are labelled c (columns)."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (gold, weak), 1.0)
    return counts


def confusion_rates(counts: Float[Array, "classes classes"]) -> Float[Array, "classes classes"]:
    """Return A[y, c], the share of items of true class y labelled c; a class without items is never flipped."""
    totals = counts.sum(1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), np.eye(len(counts)))


def flipped(
    true_class: Int[Array, "items"], rates: Float[Array, "classes classes"], generator: np.random.Generator
) -> Float[Array, "items classes"]:
    """Return hard labels drawn from each true class's row, independently per item."""
    position = generator.random(len(true_class))
    cumulative = rates[true_class].cumsum(1)
    # the last edge is 1 up to rounding; the clip keeps a draw of 0.999... inside the classes
    drawn = np.minimum((position[:, None] >= cumulative).sum(1), len(rates) - 1)
    return one_hot(drawn, len(rates))


def flipped_truth(gold: Labels, weak: Labels, seed: int) -> Labels:
    """Return hard labels drawn from the true class's row of the weak labels' confusion, independently per item."""
    true_class, classes = gold.probabilities.argmax(1), gold.probabilities.shape[1]
    rates = confusion_rates(confusion_counts(true_class, weak.probabilities.argmax(1), classes))
    generator = np.random.default_rng([seed, STREAM])
    return Labels(gold.ids, flipped(true_class, rates, generator), np.ones(len(gold.ids)), "oracle")
