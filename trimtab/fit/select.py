"""Choose a probe's penalty by cross-validated cross-entropy to the labels that were given, never by ground truth.

    strength* = argmin_lambda  sum_i w_i CE(q_i, p_i^(-fold(i), lambda)) / sum_i w_i          ties: the stronger penalty

The standardisation is fitted again inside each fold; related items (of one group or template, or near duplicates)
stay in one fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from trimtab.errors import FitError
from trimtab.fit.probe import fit_probes
from trimtab.fit.probe_settings import Probe
from trimtab.types import Array, Objective, Progress, silent


@dataclass(frozen=True)
class Selection:
    """The chosen penalty and what it was chosen from."""

    strength: float
    held_out_nats: dict[float, float]
    """Held-out cross-entropy in nats of each candidate."""
    at_edge: bool
    """Whether the choice is the smallest or largest candidate, so that a better one may lie outside the grid."""


def fold_of_items(groups: Int[Array, "items"], folds: int, seed: int) -> Int[Array, "items"]:
    """Return each item's fold: groups (equal numbers) in random order, each to the fold with the fewest items."""
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise FitError(
            f"{len(names)} groups of items cannot be put into {folds} folds; use fewer folds or more training items"
        )
    order = np.random.default_rng([seed, 0xF01D]).permutation(len(names))
    filled = np.zeros(folds, dtype=int)
    fold = np.zeros(len(names), dtype=int)
    for name in order:
        fold[name] = filled.argmin()
        filled[fold[name]] += sizes[name]
    return fold[index]


def select_strength(
    activations: Float[Array, "items hidden"],
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    groups: Int[Array, "items"],
    objective: Objective,
    settings: Probe,
    seed: int,
    progress: Progress = silent,
) -> Selection:
    """Return the penalty with the lowest held-out cross-entropy in nats to the given labels.

    Raises FitError where a fold's training side holds one class only.
    """
    used = np.flatnonzero(weights > 0).tolist()
    activations, labels, weights = activations[used], labels[used], weights[used]
    strengths = sorted(set(settings.strengths), reverse=True)
    settings = replace(settings, tolerance=settings.select_tolerance)
    fold = fold_of_items(np.asarray(groups)[used], settings.folds, seed)
    losses = np.zeros((len(strengths), len(labels)))
    for held_out in range(settings.folds):
        inside = fold != held_out
        fits = fit_probes(activations[inside], labels[inside], weights[inside], objective, strengths, settings)
        for row, fitted in enumerate(fits):
            predicted = fitted.head.probabilities(activations[~inside])
            losses[row, ~inside] = -(labels[~inside] * np.log(np.maximum(predicted, 1e-300))).sum(1)
        progress(held_out + 1, settings.folds)
    scores = (losses * weights).sum(1) / weights.sum()
    best = int(np.argmin(scores))  # the first minimum is the strongest penalty among equals
    at_edge = len(strengths) > 1 and best in (0, len(strengths) - 1)
    return Selection(strengths[best], dict(zip(strengths, scores.tolist(), strict=True)), at_edge)
