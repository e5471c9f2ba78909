"""What a metric is: a score function and how its value is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array


class ScoreFunction(Protocol):
    """Class probabilities and ground truth to one value per row of item weights.

    A plain value is `f(probabilities, gold, numpy.ones((1, items)))`. Where a value is undefined for a row (a
    class is missing, or nothing has weight) it is nan, never a substitute.
    """

    def __call__(
        self,
        probabilities: Float[Array, "items classes"],
        gold: Int[Array, "items"],
        weights: Float[Array, "draws items"],
    ) -> Float[Array, "draws"]:
        """Return the value under each row of weights."""
        ...


@dataclass(frozen=True)
class Metric:
    """A score function with its name and its reading."""

    name: str
    """Key in the experiment file and in results.json."""
    function: ScoreFunction
    """The formula."""
    higher_is_better: bool
    """False for errors such as Brier and ECE."""
    pgr: bool
    """Whether performance gap recovered is reported for it by default."""
    title: str
    """Its words in a sentence, a table or a figure."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest possible value; intervals of a score are cut there."""
    note: str | None = None
    """A sentence that belongs under every table that shows it."""


def ratio(numerator: Float[Array, "*shape"], denominator: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return numerator / denominator, and nan where the denominator is 0.

    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    undefined = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) != 0)
