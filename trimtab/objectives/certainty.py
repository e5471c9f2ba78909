"""How far a row of probabilities is from knowing nothing, on one scale for any number of classes.

u(p) = (max_c p_c - 1/C) / (2 - 2/C)         0 for equal probabilities, 1/2 for a sure one;  C = 2: u = |p_1 - 1/2|
"""

from __future__ import annotations

from jaxtyping import Float

from trimtab.types import Tensor


def certainty(probabilities: Float[Tensor, "*runs items classes"]) -> Float[Tensor, "*runs items"]:
    """Return the distance of the top probability from chance, scaled to [0, 1/2]."""
    chance = 1 / probabilities.shape[-1]
    return (probabilities.amax(-1) - chance) / (2 - 2 * chance)
