"""Graph smoothing: texts that look alike to the student should be labelled alike.

    q^(t+1)_i = (1 - a) q_i + a mean_{j in N(i)} q^(t)_j        N(i): the k nearest in the student's activations

Zhou et al. 2004, section 2, on a k-nearest-neighbour graph  https://papers.nips.cc/paper/2506; for weak labels:
Lang et al. 2025, Selective weak-to-strong generalization  https://arxiv.org/abs/2511.14166
Differs from the latter, whose own text was not at hand: all weak labels are smoothed, not only those a classifier has
left to the weak model; neighbours count alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from trimtab.supervise.neighbours import nearest, standardised
from trimtab.types import Array, Evidence, Labels, Need, Truth


def smoothed_over(
    probabilities: Float[Array, "items classes"], neighbours: Int[Array, "items k"], alpha: float, rounds: int
) -> Float[Array, "items classes"]:
    """Return the labels after some rounds of mixing with the neighbours' mean."""
    current = probabilities
    for _ in range(rounds):
        current = (1 - alpha) * probabilities + alpha * current[neighbours].mean(1)
    return current


@dataclass(frozen=True)
class GraphSmoothing:
    """Mix every label with those of its neighbours in the student's activations."""

    neighbours: int = 10
    """k, at least 1; 10 is our choice."""
    alpha: float = 0.5
    """Weight of the neighbours, in [0, 1]; 0 changes nothing."""
    rounds: int = 5
    """How often it is done, at least 1; more rounds reach further."""

    truth: ClassVar[Truth] = "none"
    needs: ClassVar[tuple[Need, ...]] = ("student_states",)

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.rounds < 1:
            raise ValueError(f"neighbours and rounds must be at least 1, found {self.neighbours} and {self.rounds}")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], found {self.alpha}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return smoothed labels; items of weight 0 neither give nor receive.

        Raises FitError where there are not more items than neighbours.
        """
        assert evidence.student_states is not None
        kept = np.flatnonzero(labels.weights > 0)
        found = nearest(standardised(evidence.student_states[kept]), self.neighbours)
        probabilities = labels.probabilities.copy()
        probabilities[kept] = smoothed_over(probabilities[kept], found, self.alpha, self.rounds)
        return replace(labels, probabilities=probabilities)
