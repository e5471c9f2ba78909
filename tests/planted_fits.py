"""Weak labels that are wrong in a planned way, for the objectives' own planted cases: two classes, told by a plane."""

from __future__ import annotations

import numpy as np
from planted_labels import Planted, flips, labels_of, told


def leverage(
    seed: int,
    sure: tuple[float, float] = (0.95, 0.95),
    far: float = 0.04,
    centre: tuple[float, float] = (5.0, 3.0),
    items: int = 400,
) -> Planted:
    """Return items whose truth is the sign of the first feature, and a few far ones with wrong labels.

    A share `far` of the items lies around plus or minus `centre`: there every label is wrong, told with certainty
    `sure[1]`. The labels of all others, one bulk around 0, are right, with certainty `sure[0]`.
    """
    rng = np.random.default_rng([seed, items])

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        states = rng.normal(size=(count, 2))
        away = np.arange(count) < round(far * count)
        side = np.where(np.arange(count) % 2 == 0, 1, -1)[away, None]
        states[away] = side * np.array(centre) + 0.3 * rng.normal(size=(int(away.sum()), 2))
        return states, away, (states[:, 0] > 0).astype(int)

    states, away, gold = draw(items)
    fresh, _, fresh_gold = draw(4000)
    answers = np.where(away, 1 - gold, gold)
    labels = labels_of(told(answers, np.where(away, sure[1], sure[0])))
    return Planted(states, labels, gold, fresh, fresh_gold, ~away)


def gap(seed: int, tilt: float = 0.8, items: int = 400) -> Planted:
    """Return two clusters with a gap between them, and a supervisor whose plane is tilted and cuts through both.

    The clusters lie at -1 and 1 of the first feature, 0.3 wide; the second feature, 1 wide, means nothing. The weak
    log-odds are first + tilt * second: a linear student can copy them exactly.
    """
    rng = np.random.default_rng([seed, items])

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        gold = rng.integers(0, 2, count)
        return np.stack([2 * gold - 1 + 0.3 * rng.normal(size=count), rng.normal(size=count)], -1), gold

    states, gold = draw(items)
    fresh, fresh_gold = draw(4000)
    positive = 1 / (1 + np.exp(-(states[:, 0] + tilt * states[:, 1])))
    labels = labels_of(np.stack([1 - positive, positive], -1))
    return Planted(states, labels, gold, fresh, fresh_gold, (positive > 0.5) == gold)


def unsure_minority(seed: int, items: int = 400) -> Planted:
    """Return a supervisor that never names the rare class, but whose mean probability is the rare class's share.

    A fifth of the items is of class 1, its cluster 3 widths from the other's; its labels say 0.45 of class 1, those of
    class 0 say 0.1375: 0.2 * 0.45 + 0.8 * 0.1375 = 0.2.
    """
    rng = np.random.default_rng([seed, items])

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        gold = (rng.random(count) < 0.2).astype(int)
        states = rng.normal(size=(count, 2))
        states[:, 0] += 1.5 * (2 * gold - 1)
        return states, gold

    states, gold = draw(items)
    fresh, fresh_gold = draw(4000)
    positive = np.where(gold == 1, 0.45, 0.1375)
    return Planted(states, labels_of(np.stack([1 - positive, positive], -1)), gold, fresh, fresh_gold, gold == 0)


def crowded(seed: int, rate: float = 0.3, items: int = 100, hidden: int = 50) -> Planted:
    """Return few items of many features, each of which says a little of the class, with labels turned over at random.

    The class means are 4 apart, along the diagonal; so a student that follows the difference of the means is best.
    """
    rng = np.random.default_rng([seed, items, hidden])

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        gold = rng.integers(0, 2, count)
        return rng.normal(size=(count, hidden)) + 2 / np.sqrt(hidden) * (2 * gold - 1)[:, None], gold

    states, gold = draw(items)
    fresh, fresh_gold = draw(4000)
    answers = flips(gold, (rate, rate), rng)
    return Planted(states, labels_of(told(answers, 0.95)), gold, fresh, fresh_gold, answers == gold)
