"""Temperature: make labels softer or sharper without changing which class is on top.

    q_c' = q_c^(1/T) / sum_k q_k^(1/T)          T < 1 sharpens, T > 1 softens, T -> 0 leaves the top class alone

Hinton et al. 2015, section 2  https://arxiv.org/abs/1503.02531
Differs from distillation there: only the labels are tempered, not the student; with soft student and labels alike the
slopes differ by a factor alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float

from trimtab.types import Array, Labels, Truth


def tempered(probabilities: Float[Array, "items classes"], temperature: float) -> Float[Array, "items classes"]:
    """Return q^(1/T), normalised.

    >>> import numpy as np
    >>> tempered(np.array([[0.8, 0.2]]), 0.5).round(4).tolist()
    [[0.9412, 0.0588]]
    """
    # in units of the top class, so that no power vanishes for every class at once
    powers = (probabilities / probabilities.max(1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(1, keepdims=True)


@dataclass(frozen=True)
class Temperature:
    """Raise every weak probability to the power 1 / T and normalise."""

    temperature: float = 0.5
    """T, above 0; below 1 sharpens. 0.5 is our choice."""

    truth: ClassVar[Truth] = "none"

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, found {self.temperature}")

    def __call__(self, labels: Labels) -> Labels:
        """Return the labels at another temperature; weights stay."""
        return replace(labels, probabilities=tempered(labels.probabilities, self.temperature))
