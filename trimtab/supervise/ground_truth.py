"""Ground-truth mixing: buy the truth of a few transfer items.

    q_i' = onehot(y_i) for the bought items,   w_i' = w_i * weight;     q_i for all others

How a fixed budget of true labels compares with the weak ones alone: mayankmahajan24/weak-to-strong, label budget
https://github.com/mayankmahajan24/weak-to-strong; scalable elicitation 2024  https://arxiv.org/abs/2410.13215
Differs from both: nothing that the formula shows; bought items can count more than one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from trimtab.errors import FitError
from trimtab.supervise.certainty_weights import certainty_of
from trimtab.types import Evidence, Labels, Need, Truth

STREAM = 0x601D
"""Which of a seed's random streams draws the items."""


@dataclass(frozen=True)
class GroundTruth:
    """Replace some weak labels by the truth."""

    budget: int = 100
    """How many items are bought, at least 1."""
    choose: Literal["random", "least_certain"] = "random"
    """Which: drawn by the study's seed, or those of which the supervisor is least sure."""
    weight: float = 1.0
    """How much more than another a bought item counts, above 0."""

    needs: ClassVar[tuple[Need, ...]] = ("gold", "seed")

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ValueError(f"budget must be at least 1, found {self.budget}")
        if self.choose not in ("random", "least_certain"):
            raise ValueError(f"choose must be random or least_certain, found {self.choose}")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"weight must be above 0, found {self.weight}")

    @property
    def truth(self) -> Truth:
        """The budget."""
        return f"budget({self.budget})"

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the labels with the truth of the bought items.

        Raises FitError where the budget exceeds the items that still count.
        """
        assert evidence.gold is not None
        present = np.flatnonzero(labels.weights > 0)
        if self.budget > len(present):
            raise FitError(f"ground_truth: the budget is {self.budget}, but only {len(present)} items are left to buy")
        if self.choose == "random":
            # by id, so that the order of the items does not matter
            order = np.argsort(np.array([labels.ids[i] for i in present]))
            bought = present[order[np.random.default_rng([evidence.seed, STREAM]).permutation(len(present))]]
        else:
            bought = present[np.argsort(certainty_of(labels.probabilities[present]), kind="stable")]
        bought = np.sort(bought[: self.budget])
        probabilities, weights = labels.probabilities.copy(), labels.weights.copy()
        probabilities[bought] = np.eye(probabilities.shape[1])[evidence.gold(bought)]
        weights[bought] *= self.weight
        return replace(labels, probabilities=probabilities, weights=weights)
