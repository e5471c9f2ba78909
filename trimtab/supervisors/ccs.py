"""Contrast-consistent search (CCS): find the direction along which a statement and its opposite exclude each other.

    min over w, b of  mean_i (p+_i - (1 - p-_i))^2 + mean_i min(p+_i, p-_i)^2,      p = sigmoid(w'x + b)
    x+_i, x-_i: states after "prompt(text_i) class 1" and "... class 0", each with its own mean and scale removed
    q_i1 = (p+_i + 1 - p-_i) / 2,    or its opposite: which of both is true is not found by this

Burns et al. 2022, equations 1 to 3  https://arxiv.org/abs/2212.03827
Differs from the paper: which end means class 1 is fixed by the model's own answers to the prompt, never by accuracy,
which would be an oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.types import Array, ModelSpec, Truth

STREAM = 0xCC5
"""Which of a seed's random streams draws the starts."""


def consistency_loss(
    parameters: Float[Array, "parameters"],
    positive: Float[Array, "items hidden"],
    negative: Float[Array, "items hidden"],
    decay: float,
) -> tuple[float, Float[Array, "parameters"]]:
    """Return the loss with its L2 penalty, and its gradient in w and b."""
    w, b = parameters[:-1], parameters[-1]
    p, n = (1 / (1 + np.exp(-np.clip(x @ w + b, -500, 500))) for x in (positive, negative))
    consistent, least = p + n - 1, np.minimum(p, n)
    value = float((consistent**2).mean() + (least**2).mean() + decay * w @ w)
    to_p = (2 * consistent + 2 * least * (p <= n)) * p * (1 - p) / len(p)
    to_n = (2 * consistent + 2 * least * (n < p)) * n * (1 - n) / len(n)
    gradient = np.append(to_p @ positive + to_n @ negative + 2 * decay * w, (to_p + to_n).sum())
    return value, gradient


def contrast_consistent(
    positive: Float[Array, "items hidden"],
    negative: Float[Array, "items hidden"],
    decay: float,
    starts: int,
    generator: np.random.Generator,
) -> Float[Array, "parameters"]:
    """Return w and b of the best of several random starts; states are centred and scaled already."""
    from scipy.optimize import minimize

    best, least = np.zeros(positive.shape[1] + 1), np.inf
    for _ in range(starts):
        begin = np.append(generator.normal(size=positive.shape[1]) / np.sqrt(positive.shape[1]), 0.0)
        found = minimize(
            consistency_loss, begin, (positive, negative, decay), "L-BFGS-B", jac=True, options={"maxiter": 1000}
        )
        if found.fun < least:
            best, least = found.x, float(found.fun)
    return best


def answers(
    parameters: Float[Array, "parameters"],
    positive: Float[Array, "items hidden"],
    negative: Float[Array, "items hidden"],
) -> Float[Array, "items"]:
    """Return (p+ + 1 - p-) / 2 of each item."""
    w, b = parameters[:-1], parameters[-1]
    p, n = (1 / (1 + np.exp(-np.clip(x @ w + b, -500, 500))) for x in (positive, negative))
    return (p + 1 - n) / 2


def oriented(found: Float[Array, "items"], anchor: Float[Array, "items"]) -> bool:
    """Say whether `found` and the anchor's belief in class 1 point the same way."""
    return float(((found - found.mean()) * (anchor - anchor.mean())).mean()) >= 0


@dataclass(frozen=True)
class ContrastConsistent:
    """A model's own idea of truth, found without any label; two classes."""

    model: ModelSpec
    """A causal model, written like an entry of `weak` without `fit`; often the strong one."""
    decay: float = 0.01
    """L2 penalty on w, at least 0; 0.01 is our choice."""
    starts: int = 10
    """Random starts, at least 1; the one with the lowest loss is kept. 10 is the paper's."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "ccs"

    def __post_init__(self) -> None:
        if not 0 <= self.decay < np.inf:
            raise ValueError(f"decay must be at least 0, found {self.decay}")
        if self.starts < 1:
            raise ValueError(f"starts must be at least 1, found {self.starts}")
