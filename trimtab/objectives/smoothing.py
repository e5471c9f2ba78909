"""Weak labels that are never 0, for formulas that divide by them or take their logarithm.

    q~_c = (q_c + e) / (1 + C e)

so that the largest log-ratio of two classes is log((1 + e) / e), however many classes there are.
"""

from __future__ import annotations

import math

from jaxtyping import Float

from trimtab.types import Tensor

SHARE = 0.2
"""Largest curvature of sum_c p_c a_c in the logits for a_c in [0, 1]: 1 / (3 sqrt 3) = 0.1925, for two classes."""


def smoothed(labels: Float[Tensor, "*runs items classes"], smoothing: float) -> Float[Tensor, "*runs items classes"]:
    """Return (q + e) / (1 + C e): rows that still sum to 1."""
    return (labels + smoothing) / (1 + labels.shape[-1] * smoothing)


def check_smoothing(smoothing: float) -> None:
    """Raise ValueError unless it lies in (0, 1]."""
    if not 0 < smoothing <= 1:
        raise ValueError(f"smoothing must lie in (0, 1], found {smoothing}")


def reverse_curvature(smoothing: float) -> float:
    """Return the largest curvature of sum_c p_c log q~_c in the logits, in nats."""
    return SHARE * math.log((1 + smoothing) / smoothing)
