"""Internal coherence maximisation (ICM): the labels that explain each other best, found without any truth.

    U(y) = sum_i log P(y_i | x_i, y without i),          s = 2 y - 1, half of the items of each class
    P(y_i | x_i, y without i) = sigmoid(g s_i f_-i(x_i)),    f_-i: ridge regression of s on the model's states without i

by simulated annealing from the model's own answers to the prompt, split at their median: an item that the others
contradict changes its class, and another one is handed back for it.

Wen et al. 2025  https://arxiv.org/abs/2506.10139
Differs from the paper, whose own text was not at hand: P comes from a leave-one-out regression on the model's states
and not from its answers in context, so that thousands of items take seconds; the class balance is kept in place of the
paper's consistency, since labels of one class only would explain each other best of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from trimtab.errors import FitError
from trimtab.types import Array, ModelSpec, Truth

STREAM = 0x1C4
"""Which of a seed's random streams proposes changes."""
HOT, COLD = 1.0, 0.05
"""Temperatures of the search in nats."""


def leave_one_out(states: Float[Array, "items hidden"], ridge: float) -> Float[Array, "items items"]:
    """Return the matrix L with f_-i(x_i) = (L s)_i: ridge regression with an intercept, without the item itself.

    With the hat matrix H, f_-i(x_i) = ((H s)_i - h_ii s_i) / (1 - h_ii).
    """
    x = states.astype(np.float64)
    deviation = x.std(0)
    x = (x - x.mean(0)) / np.where(deviation > 0, deviation, 1)
    kernel = x @ x.T / x.shape[1]
    values, vectors = np.linalg.eigh(kernel)
    share = np.maximum(values, 0) / (np.maximum(values, 0) + ridge)
    hat = (vectors * share) @ vectors.T
    hat = hat - hat.mean(0, keepdims=True) - hat.mean(1, keepdims=True) + hat.mean() + 1 / len(x)
    own = np.diag(hat).copy()
    np.fill_diagonal(hat, 0)
    return hat / (1 - own)[:, None]


def ridge_answers(
    states: Float[Array, "items hidden"],
    signs: Float[Array, "items"],
    asked: Float[Array, "others hidden"],
    ridge: float,
) -> Float[Array, "others"]:
    """Return what the same regression, on all labelled items, says of other states."""
    x, z = states.astype(np.float64), asked.astype(np.float64)
    mean, deviation = x.mean(0), x.std(0)
    scale = np.where(deviation > 0, deviation, 1) * np.sqrt(x.shape[1])
    x, z = (x - mean) / scale, (z - mean) / scale
    weight = np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), signs - signs.mean())
    return (z @ x.T) @ weight + signs.mean()


def coherence(signs: Float[Array, "items"], told: Float[Array, "items"], sharpness: float) -> float:
    """Return sum_i log P(y_i | x_i, y without i) in nats, where `told` is what the others say of each item."""
    return float(-np.logaddexp(0, -sharpness * signs * told).sum())


def annealed(
    loo: Float[Array, "items items"],
    first: Int[Array, "items"],
    sharpness: float,
    sweeps: int,
    generator: np.random.Generator,
) -> Int[Array, "items"]:
    """Return the labels with the highest utility that simulated annealing meets.

    Raises FitError where all first labels are of one class: there is nothing to exchange.
    The temperature falls from HOT to COLD over `sweeps` proposals per item. Items are proposed in proportion to
    exp(- g s_i f_-i(x_i)), the odds that the others give against them.
    """
    if first.min() == first.max():
        raise FitError("icm: the model gives all items the same answer, so that there is no beginning to search from")
    signs = 2.0 * first - 1
    told, now = loo @ signs, coherence(signs, loo @ signs, sharpness)
    best, most = signs.copy(), now
    steps = sweeps * len(signs)
    for step in range(steps):
        doubt = -sharpness * signs * told + generator.gumbel(size=len(signs))  # the largest is a draw by exp(doubt)
        pair = [int(np.where(signs == side, doubt, -np.inf).argmax()) for side in (1.0, -1.0)]
        moved = told - 2 * (loo[:, pair] @ signs[pair])
        signs[pair] *= -1
        then = coherence(signs, moved, sharpness)
        heat = HOT * (COLD / HOT) ** (step / steps)
        if then >= now or generator.random() < np.exp((then - now) / heat):
            told, now = moved, then
            if now > most:
                best, most = signs.copy(), now
        else:
            signs[pair] *= -1
    return (best > 0).astype(np.int64)


@dataclass(frozen=True)
class InternalCoherence:
    """Labels that a model's states make coherent; two classes."""

    model: ModelSpec
    """A causal model, written like an entry of `weak` without `fit`; often the strong one."""
    ridge: float = 1.0
    """Penalty of the regression, above 0; our choice."""
    sharpness: float = 4.0
    """g in nats per unit of the regression, above 0; our choice."""
    sweeps: int = 3
    """Proposed exchanges per item, at least 1; our choice."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "icm"

    def __post_init__(self) -> None:
        for name in ("ridge", "sharpness"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        if self.sweeps < 1:
            raise ValueError(f"sweeps must be at least 1, found {self.sweeps}")
