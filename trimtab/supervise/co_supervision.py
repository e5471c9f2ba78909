"""Co-supervision: several weak models, each trusted for the items on which the student finds it plausible.

    a_ik ~ pi_k exp(sum_c p_ic log q_ic^(k) / T),    pi_k = mean_i a_ik,    q_i = sum_k a_ik q_i^(k)

p: what the student says of an item after it has learnt the labels of the others (cross-fitted). Assignments a and
shares pi are found by expectation maximisation; name the step several times for several rounds of both.

Liu and Alahi 2024, co-supervised learning (a hierarchy of specialised teachers, assigned by the student)
https://arxiv.org/abs/2402.15505
Differs from the paper, whose own text was not at hand: the teachers are the members of an ensemble on one level; labels
are mixed and not dropped where student and teacher disagree (compose with `confident` for that).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.types import Array, Evidence, Labels, Need, Truth

ROUNDS, TOLERANCE = 500, 1e-10


def assignments(
    members: Float[Array, "members items classes"],
    beliefs: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    temperature: float,
) -> Float[Array, "items members"]:
    """Return how much each item listens to each member; rows sum to 1."""
    plausible = np.einsum("ic,kic->ik", beliefs, np.log(np.maximum(members, 1e-12))) / temperature
    shares = np.full(len(members), 1 / len(members))
    assigned = np.full(plausible.shape, 1 / len(members))
    for _ in range(ROUNDS):
        scores = plausible + np.log(np.maximum(shares, 1e-300))
        following = np.exp(scores - scores.max(1, keepdims=True))
        following /= following.sum(1, keepdims=True)
        moved, assigned = np.abs(following - assigned).max(), following
        shares = weights @ assigned / weights.sum()
        if moved <= TOLERANCE:
            break
    return assigned


@dataclass(frozen=True)
class CoSupervision:
    """Mix the members of an ensemble item by item, as the student finds them plausible."""

    temperature: float = 1.0
    """T in nats, above 0; large values take the plain mean of the members, small ones the most plausible member. 1 is
    our choice."""

    truth: ClassVar[Truth] = "none"
    needs: ClassVar[tuple[Need, ...]] = ("student_beliefs", "members")

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, found {self.temperature}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the mixed labels; weights stay, and items of weight 0 have no part in the shares."""
        assert evidence.student_beliefs is not None
        members = np.stack(evidence.members)
        mixed = assignments(members, evidence.student_beliefs, labels.weights, self.temperature)
        return replace(labels, probabilities=np.einsum("ik,kic->ic", mixed, members))
