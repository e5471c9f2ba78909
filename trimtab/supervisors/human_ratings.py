"""Human ratings: people who each saw the item once.

    q_i1 = mean over k ratings r of item i, drawn without replacement, of v(r)
    v(r) = 1 for r > 0, 1/2 for r = 0, 0 for r < 0

The ratings that supervisors may draw are set aside by the task (`held_ratings`), and gold is the mean of the others, so
that no rating is on both sides. A seed draws anew. Which person gave a rating is not known.

Hutto and Gilbert 2014 (the ratings)  https://ojs.aaai.org/index.php/ICWSM/article/view/14550; people as weak
supervisors: Burns et al. 2023, section 1  https://arxiv.org/abs/2312.09390
Differs from the paper: it has no human labels; this is the case that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.types import Array, Truth

STREAM = 0x4A7E
"""Which of a seed's random streams draws ratings."""


def crowd_labels(
    ratings: Float[Array, "items held"], crowd: int, generator: np.random.Generator
) -> Float[Array, "items classes"]:
    """Return the two class probabilities that `crowd` of each item's ratings give."""
    drawn = generator.permuted(ratings, axis=1)[:, :crowd]
    positive = ((np.sign(drawn) + 1) / 2).mean(1)
    return np.stack([1 - positive, positive], 1)


@dataclass(frozen=True)
class HumanRatings:
    """One or several human ratings of each item, for tasks that hold single ratings."""

    crowd: int = 1
    """Ratings drawn per item and seed, at least 1 and at most the task's `held_ratings`."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "human_ratings"

    def __post_init__(self) -> None:
        if self.crowd < 1:
            raise ValueError(f"crowd must be at least 1, found {self.crowd}")
