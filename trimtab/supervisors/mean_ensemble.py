"""Mean ensemble: several weak models, each trained on the supervisor split, say what they say together.

    q_i = 1/K sum_k q_i^(k)

Burns et al. 2023 leave ensembles of supervisors open; as a weak-to-strong baseline: Agrawal et al. 2024
https://arxiv.org/abs/2410.04571
Differs from the paper: it boosts (see adaboost); this is the plain average beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.learner import Learner
from trimtab.types import Array, Truth


def mean_of_members(probabilities: Float[Array, "members items classes"]) -> Float[Array, "items classes"]:
    """Return the members' mean."""
    return probabilities.mean(0)


@dataclass(frozen=True)
class MeanEnsemble:
    """The average of several weak models."""

    members: tuple[Learner, ...]
    """Two or more weak models, each written like an entry of `weak`."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "mean_ensemble"

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"members must be at least two models, found {len(self.members)}")
