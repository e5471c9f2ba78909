"""Dirichlet ensemble: where the weak models disagree, their common label is less sure.

    q_i^(1..K) ~ Dirichlet(s_i m_i),   m_i = mean_k q_i^(k),   s_i = sum_c m_ic (1 - m_ic) / sum_c var_k q_ic^(k) - 1
    q_i = (s_i m_i + a / C) / (s_i + a)

the posterior mean under a prior of a / C pseudo-counts a class, with the evidence s_i found by matching moments.

Bayesian weak-to-strong 2024 (a Dirichlet over the labels of several weak models)  https://arxiv.org/abs/2406.03199
Differs from the paper, whose own text was not at hand: the Dirichlet makes the label and not the student's output; its
evidence comes from moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.learner import Learner
from trimtab.types import Array, Truth

MOST_EVIDENCE = 1e6


def evidence(probabilities: Float[Array, "members items classes"]) -> Float[Array, "items"]:
    """Return s of each item: large where the members agree."""
    mean = probabilities.mean(0)
    doubt = np.maximum((mean * (1 - mean)).sum(-1), 0)
    spread = probabilities.var(0, ddof=1).sum(-1)
    # members that agree are evidence however sure they are: also where both numbers are next to nothing
    differ = spread > doubt / MOST_EVIDENCE
    ratio = np.divide(doubt, spread, out=np.full_like(doubt, np.inf), where=differ)
    return np.clip(ratio - 1, 0, MOST_EVIDENCE)


def dirichlet_mean(probabilities: Float[Array, "members items classes"], prior: float) -> Float[Array, "items classes"]:
    """Return the posterior mean of each item's label."""
    seen, classes = evidence(probabilities)[:, None], probabilities.shape[-1]
    return (seen * probabilities.mean(0) + prior / classes) / (seen + prior)


@dataclass(frozen=True)
class DirichletEnsemble:
    """Several weak models whose disagreement makes the label softer."""

    members: tuple[Learner, ...]
    """Two or more weak models, each written like an entry of `weak`."""
    prior: float = 2.0
    """a: pseudo-counts of the even prior, above 0; 2 is our choice."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "dirichlet_ensemble"

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"members must be at least two models, found {len(self.members)}")
        if not 0 < self.prior < math.inf:
            raise ValueError(f"prior must be above 0, found {self.prior}")
