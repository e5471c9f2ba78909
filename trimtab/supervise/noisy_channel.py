"""Noisy channel: the weak label is the truth as it left a channel; find truth and channel together.

    p(y_i = c | x_i, q_i) ~ r_ic prod_k A_ck^(q_ik)        A_ck ~ sum_i w_i p(y_i = c | ...) q_ik + s [c = k] n_c

r: what the student says of an item after it has learnt the labels of the others (cross-fitted). A: probability that
the channel turns class c into k, a row per class, found by expectation maximisation; the prior count s keeps the
channel from exchanging classes; n_c = sum_i w_i p(y_i = c | ...).

Dawid and Skene 1979, equations 2.3 to 2.5, with a belief for each item in place of one prior for all
https://doi.org/10.2307/2346806
Differs from the source: one soft annotator, the supervisor; the beliefs r are fitted once and not in every round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.types import Array, Evidence, Labels, Need, Truth

ROUNDS, TOLERANCE = 500, 1e-9


def channel_posterior(
    weak: Float[Array, "items classes"],
    beliefs: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    diagonal: float,
) -> tuple[Float[Array, "items classes"], Float[Array, "classes classes"]]:
    """Return p(y | x, q) of every item, and the channel A.

    `diagonal` is the prior count of right labels, as a share of each class's mass.
    """
    log_beliefs = np.log(np.maximum(beliefs, 1e-300))
    posterior, channel = beliefs, np.eye(weak.shape[1])
    for _ in range(ROUNDS):
        mass = weights @ posterior
        counts = (weights[:, None] * posterior).T @ weak + np.diag(diagonal * mass)
        channel = np.maximum(counts, 1e-12) / np.maximum(counts, 1e-12).sum(1, keepdims=True)
        scores = log_beliefs + weak @ np.log(channel).T
        following = np.exp(scores - scores.max(1, keepdims=True))
        following /= following.sum(1, keepdims=True)
        moved, posterior = np.abs(following - posterior).max(), following
        if moved <= TOLERANCE:
            break
    return posterior, channel


@dataclass(frozen=True)
class NoisyChannel:
    """Replace every label by the posterior of the truth behind it."""

    diagonal: float = 1.0
    """Prior count of right labels as a share of each class's items, at least 0; 1 is our choice, large values
    trust the top class of each weak label, whatever the student believes."""

    truth: ClassVar[Truth] = "none"
    needs: ClassVar[tuple[Need, ...]] = ("student_beliefs",)

    def __post_init__(self) -> None:
        if not 0 <= self.diagonal < math.inf:
            raise ValueError(f"diagonal must be at least 0, found {self.diagonal}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the posteriors as labels; weights stay, and items of weight 0 teach the channel nothing."""
        assert evidence.student_beliefs is not None
        posterior, _ = channel_posterior(labels.probabilities, evidence.student_beliefs, labels.weights, self.diagonal)
        return replace(labels, probabilities=posterior)
