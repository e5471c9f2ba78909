"""What was measured of one method: rewards and fluency of its answers, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from trimtab.metrics.resample import Resample, Scores
from trimtab.types import Array

SampleValues = Float[Array, "seeds items"]


@dataclass(frozen=True)
class MeasuredAnswers:
    """The answers of one method to the prompts (items), with each seed."""

    gold: SampleValues
    """Reward that no method and no guide has seen: log-odds in nats."""
    proxy: SampleValues
    """Reward from which the guide was made: log-odds in nats."""
    base_nats: SampleValues
    """Summed log-probability under the base model."""
    tokens: SampleValues
    ngram_nats: SampleValues
    """Summed log-probability under an n-gram model of other texts."""
    words: SampleValues
    texts: tuple[tuple[str, ...], ...]
    """By seed and prompt."""
    flops: float
    """Forward floating-point operations for one prompt, as run, mean over prompts and seeds."""
    seconds: float
    """Wall time for one prompt, mean over prompts and seeds."""


def mean_scores(values: SampleValues, resample: Resample) -> Scores:
    """Return the mean over items of each seed, as it is and under each draw."""
    return ratio_scores(values, np.ones_like(values), resample)


def ratio_scores(numerator: SampleValues, denominator: SampleValues, resample: Resample) -> Scores:
    """Return sum / sum over items of each seed, as it is and under each draw; nan where nothing is divided by."""
    draws = np.empty((len(resample.item_weights), len(numerator)))
    for place, weights in resample.chunks():
        draws[place] = divided(weights @ numerator.T, weights @ denominator.T)
    return Scores(divided(numerator.sum(1), denominator.sum(1)), draws)


def divided(numerator: Array, denominator: Array) -> Array:
    """Return a / b; nan where b is 0."""
    found = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=found, where=denominator != 0)
