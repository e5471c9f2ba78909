"""Fit a classifier of texts that scores answers: a linear probe on hidden states, tried on texts that it has not seen.

One part in five (`held_out`) of the groups of texts is laid aside. On the rest the penalty is chosen by cross-validated
cross-entropy, as for every probe, and the head is fitted. Its accuracy is that of this head on what was laid aside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from trimtab.decode.scorers.classifier import Classifier, ClassifierFit, TextPart
from trimtab.decode.text_states import TextStates
from trimtab.errors import FitError, UsageError
from trimtab.fit.folds import fold_of_items
from trimtab.fit.probe import Head, fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.select import select_strength
from trimtab.metrics import METRICS
from trimtab.metrics.intervals import Interval, mean_interval, resample, score
from trimtab.objectives.naive import Naive
from trimtab.types import Array, ModelSpec


def fit_classifier(
    spec: ModelSpec,
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    read: TextPart = "whole",
    groups: Sequence[str] | None = None,
    held_out: float = 0.2,
    settings: Probe | None = None,
    seed: int = 0,
) -> Classifier:
    """Return a classifier fitted to texts with labels 1 (positive) and 0 (negative).

    `read` says what it will read of an answer, prompt and answer or the answer alone; texts should be like that.
    Texts of one group (by default each is its own) lie on one side of the held-out split, and in one fold.

    Raises UsageError for labels that do not fit; FitError where a side has one class only or there are too few groups.
    """
    gold = _checked(texts, labels, groups, held_out)
    settings = settings or Probe()
    names = np.arange(len(texts)) if groups is None else np.unique(groups, return_inverse=True)[1]
    outside = fold_of_items(names, round(1 / held_out), seed) == 0
    for side, where in (("fit", ~outside), ("held-out", outside)):
        if len(set(gold[where].tolist())) < 2:
            raise FitError(f"the {side} texts are of one class only; give more texts, or another seed")
    states = TextStates(spec)
    found = states(texts)
    inside = ~outside
    soft, weights = np.eye(2)[gold[inside]], np.ones(int(inside.sum()))
    chosen = select_strength(found.states[inside], soft, weights, names[inside], Naive(), settings, seed)
    head = fit_probe(found.states[inside], soft, weights, Naive(), chosen.strength, settings).head
    accuracy = _accuracy(head, found.states[outside], gold[outside], names[outside])
    counts = int(inside.sum()), int(outside.sum())
    return Classifier(
        states, head, read, ClassifierFit(accuracy, chosen.strength, chosen.at_edge, *counts, found.truncated)
    )


def _accuracy(
    head: Head, states: Float[Array, "texts hidden"], gold: Int[Array, "texts"], groups: Int[Array, "texts"]
) -> Interval:
    draws = resample(groups, len(gold), 1)
    return mean_interval(score(METRICS["accuracy"], head.probabilities(states)[None], gold, draws), draws)


def _checked(
    texts: Sequence[str], labels: Sequence[int], groups: Sequence[str] | None, held_out: float
) -> Int[Array, "texts"]:
    for name, value in (("labels", labels), ("groups", groups)):
        if value is not None and len(value) != len(texts):
            raise UsageError(f"{len(value)} {name} were given for {len(texts)} texts; wanted one each")
    if not set(labels) <= {0, 1}:
        raise UsageError(f"labels are {sorted(set(labels))[:6]}; wanted 1 (positive) and 0 (negative)")
    if not 0 < held_out <= 0.5:
        raise UsageError(f"held_out is {held_out}; wanted a share of the texts, above 0 and at most 0.5")
    return np.asarray(labels, dtype=int)
