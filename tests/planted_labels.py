"""Labels for the label steps' own tests: random ones, and ones that are wrong in a planned way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.naive import Naive
from trimtab.types import Labels

SEEDS = (0, 1, 2)
"""Of the planted cases: the margin must be reached at each."""


def labels_of(probabilities: np.ndarray, weights: np.ndarray | list[float] | None = None) -> Labels:
    """Return labels with these probabilities; every item weighs 1 unless told otherwise."""
    count = len(probabilities)
    ids = tuple(f"i{i}" for i in range(count))
    return Labels(ids, probabilities, np.ones(count) if weights is None else np.array(weights, dtype=float))


def binary(positive: list[float] | np.ndarray, weights: list[float] | None = None) -> Labels:
    """Return labels with these probabilities of class 1."""
    p = np.array(positive, dtype=float)
    return labels_of(np.stack([1 - p, p], -1), weights)


def random_labels(classes: int, items: int = 60, seed: int = 0) -> Labels:
    """Return random labels, about a third of them with weight 0."""
    rng = np.random.default_rng([seed, classes, items])
    return labels_of(rng.dirichlet(np.full(classes, 0.5), items), rng.choice([0.0, 0.5, 1.0], items))


def permuted(labels: Labels, order: np.ndarray) -> Labels:
    """Return the same items in another order."""
    ids = tuple(labels.ids[i] for i in order)
    return Labels(ids, labels.probabilities[order], labels.weights[order], labels.truth)


def told(answers: np.ndarray, sure: float | np.ndarray) -> np.ndarray:
    """Return probabilities of two classes that say the answer with this certainty."""
    positive = np.where(answers == 1, sure, 1 - np.asarray(sure))
    return np.stack([1 - positive, positive], -1)


def flips(gold: np.ndarray, rates: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return answers of two classes, of which class c is turned over at rate c."""
    return np.where(rng.random(len(gold)) < np.array(rates)[gold], 1 - gold, gold)


@dataclass(frozen=True)
class Planted:
    """Items with weak labels whose errors are known, and fresh items to test a student on."""

    states: np.ndarray
    labels: Labels
    gold: np.ndarray
    fresh: np.ndarray
    fresh_gold: np.ndarray
    honest: np.ndarray
    """Of each item whether its label was made from the truth."""


def misled(seed: int, honest: float, sure: tuple[float, float], items: int = 1000, hidden: int = 2) -> Planted:
    """Return items whose truth is the sign of the first feature.

    A share of the labels tells the truth with certainty `sure[0]`; the others tell the sign of the second feature with
    certainty `sure[1]`.
    """
    rng = np.random.default_rng([seed, items, hidden])
    states, fresh = rng.normal(size=(items, hidden)), rng.normal(size=(4000, hidden))
    gold = (states[:, 0] > 0).astype(int)
    tells = rng.random(items) < honest
    answers = np.where(tells, gold, (states[:, 1] > 0).astype(int))
    labels = labels_of(told(answers, np.where(tells, *sure)))
    return Planted(states, labels, gold, fresh, (fresh[:, 0] > 0).astype(int), tells)


def clustered(
    seed: int, clusters: int, rates: tuple[float, float], items: int = 300, hidden: int = 20, spread: float = 0.5
) -> Planted:
    """Return items in clusters of one class each, on either side of a plane, with labels turned over at random."""
    rng = np.random.default_rng([seed, clusters, items])
    centres = rng.normal(size=(clusters, hidden))
    side = np.arange(clusters) % 2
    centres[:, 0] = (1 + np.abs(centres[:, 0])) * (2 * side - 1)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = rng.integers(0, clusters, count)
        return centres[chosen] + spread * rng.normal(size=(count, hidden)), side[chosen]

    states, gold = draw(items)
    fresh, fresh_gold = draw(4000)
    answers = flips(gold, rates, rng)
    return Planted(states, labels_of(told(answers, 0.9)), gold, fresh, fresh_gold, answers == gold)


def accuracy(answers: np.ndarray, gold: np.ndarray) -> float:
    """Return the share of right answers."""
    return float((answers == gold).mean())


def balanced_accuracy(answers: np.ndarray, gold: np.ndarray) -> float:
    """Return the mean over the classes of the share of right answers."""
    return float(np.mean([(answers[gold == one] == one).mean() for one in np.unique(gold)]))


def score(planted: Planted, labels: Labels, strength: float = 0.1, balanced: bool = False) -> float:
    """Return how often a student that learns these labels is right on the fresh items."""
    head = fit_probe(planted.states, labels.probabilities, labels.weights, Naive(), strength, Probe()).head
    measure = balanced_accuracy if balanced else accuracy
    return measure(head.probabilities(planted.fresh).argmax(1), planted.fresh_gold)


def gain(planted: Planted, after: Labels, strength: float = 0.1, balanced: bool = False) -> float:
    """Return how much more often a student is right that learns the stepped labels instead of the raw ones."""
    return score(planted, after, strength, balanced) - score(planted, planted.labels, strength, balanced)


def cross_fitted(states: np.ndarray, labels: Labels, strength: float = 0.1, folds: int = 3) -> np.ndarray:
    """Return what a naive student says of each item after it has learnt the labels of the other folds."""
    fold = np.arange(len(states)) % folds
    beliefs = np.empty_like(labels.probabilities)
    for one in range(folds):
        others = replace(labels, weights=np.where(fold == one, 0.0, labels.weights))
        head = fit_probe(states, others.probabilities, others.weights, Naive(), strength, Probe()).head
        beliefs[fold == one] = head.probabilities(states[fold == one])
    return beliefs
