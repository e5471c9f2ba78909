"""Train only on what the supervisor is sure of.

    keep item i iff max_c q_ic is among the largest share (keep), or max_c q_ic >= threshold

Yang et al. 2024 (high-confidence filter, threshold 0.75)  https://arxiv.org/abs/2406.11431
Differs from its code: the ground truth is not consulted; there a kept weak label must also be right.
Keeping a share instead of a threshold is ours: it fixes how many items the student sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from trimtab.errors import FitError
from trimtab.supervise.filtering import kept_only, rounded_up
from trimtab.types import Array, Labels, Truth


def most_confident(probabilities: Float[Array, "items classes"], keep: float) -> Bool[Array, "items"]:
    """Mark the `keep` share of items (rounded up) with the largest top probability; ties go to the earlier item."""
    count = rounded_up(keep, len(probabilities))
    order = np.argsort(-probabilities.max(-1), kind="stable")
    marked = np.zeros(len(probabilities), dtype=bool)
    marked[order[:count]] = True
    return marked


@dataclass(frozen=True)
class Confident:
    """Keep the items whose weak label is confident; the others get weight 0."""

    keep: float | None = None
    """Share of the items that still count to keep, in (0, 1], rounded up; give this or `threshold`."""
    threshold: float | None = None
    """Smallest top probability to keep, in (0, 1]; give this or `keep`."""

    truth: ClassVar[Truth] = "none"

    def __post_init__(self) -> None:
        if (self.keep is None) == (self.threshold is None):
            raise ValueError("give exactly one of keep and threshold")
        value = self.keep if self.keep is not None else self.threshold
        if value is None or not 0 < value <= 1:
            raise ValueError(f"keep and threshold must lie in (0, 1], found {value}")

    def __call__(self, labels: Labels) -> Labels:
        """Return the labels with weight 0 where the supervisor is unsure; items dropped before do not count.

        Raises FitError where nothing is left.
        """
        present = np.flatnonzero(labels.weights > 0)
        if len(present) == 0:
            raise FitError("confident: there is no item with a positive weight to choose from; keep more of the labels")
        probabilities = labels.probabilities[present]
        if self.keep is not None:
            confident = most_confident(probabilities, self.keep)
        else:
            confident = probabilities.max(-1) >= self.threshold
        if not confident.any():
            top = probabilities.max()
            raise FitError(
                f"confident: no weak label reaches the threshold {self.threshold} (the surest has {top:.3f}). "
                "Lower the threshold or use keep."
            )
        return kept_only(labels, present[confident])
