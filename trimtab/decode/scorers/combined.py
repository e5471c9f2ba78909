"""Several scorers as one: a weighted sum, and the logical AND of what each asks for.

    weighted sum    s(x, y) = sum_i w_i s_i(x, y)
    logical AND     s(x, y) = sum_i log sigmoid(s_i(x, y) / t)

The AND is the logarithm of the product of the probabilities sigmoid(s_i / t) that each demand is met: one that is
missed badly cannot be made up for by another that is met. t is the scale of the scores, in their unit: what lies a few
t above 0 counts as met. Weights and scale are those of the call: the scorers themselves, and their models, can be
shared by many combinations. An empty answer has the combination of what its scorers say of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.scorers.scorer import Scorer, Scoring, checked
from trimtab.errors import UsageError
from trimtab.types import Array


def weighted_sum(scores: Float[Array, "scorers answers"], weights: Sequence[float]) -> Float[Array, "answers"]:
    """Return sum_i w_i s_i.

    >>> weighted_sum(np.array([[1.0, 2.0], [10.0, 0.0]]), [2.0, 0.5]).tolist()
    [7.0, 4.0]
    """
    return np.asarray(weights, float) @ scores


def log_sigmoids(scores: Float[Array, "scorers answers"], scale: float) -> Float[Array, "answers"]:
    """Return sum_i log sigmoid(s_i / t), at most 0.

    >>> np.exp(log_sigmoids(np.array([[0.0], [0.0]]), scale=1.0)).round(6).tolist()
    [0.25]
    """
    return -np.logaddexp(0.0, -scores / scale).sum(0)


class _Combined(ABC):
    """Scorers that are asked about the same answers."""

    name = "combined"

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        if not scorers:
            raise UsageError(f"{self.name} has no scorers; wanted one or more")
        self.scorers = tuple(scorers)

    @abstractmethod
    def combine(self, scores: Float[Array, "scorers answers"]) -> Float[Array, "answers"]:
        """Return one score per answer."""

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers."""
        return _Scoring(self, prompts, compute)


class WeightedSum(_Combined):
    """sum_i w_i s_i: guide pairs, rewards and costs with weights set at run time; a negative one turns a score."""

    name = "weighted_sum"

    def __init__(self, scorers: Sequence[Scorer], weights: Sequence[float]) -> None:
        """Raises UsageError unless there is one finite weight per scorer."""
        super().__init__(scorers)
        if len(weights) != len(self.scorers) or not all(map(math.isfinite, weights)):
            raise UsageError(
                f"the weights are {list(weights)} for {len(self.scorers)} scorers; wanted one finite number each"
            )
        self.weights = tuple(weights)

    def combine(self, scores: Float[Array, "scorers answers"]) -> Float[Array, "answers"]:
        """Return the weighted sum."""
        return weighted_sum(scores, self.weights)


class LogicalAnd(_Combined):
    """sum_i log sigmoid(s_i / t): all demands at once."""

    name = "logical_and"

    def __init__(self, scorers: Sequence[Scorer], scale: float = 1.0) -> None:
        """`scale` is t, in the unit of the scores. Raises UsageError unless it is above 0."""
        super().__init__(scorers)
        if not 0 < scale < math.inf:
            raise UsageError(f"scale is {scale}; wanted a finite number above 0")
        self.scale = scale

    def combine(self, scores: Float[Array, "scorers answers"]) -> Float[Array, "answers"]:
        """Return the sum of log-sigmoids."""
        return log_sigmoids(scores, self.scale)


class _Scoring:
    def __init__(self, combined: _Combined, prompts: Sequence[Prompt], compute: Compute) -> None:
        self._combined = combined
        self._members = [one.begin(prompts, compute) for one in combined.scorers]
        self._rows, self._children = list(prompts), list(prompts)

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        self._children = [self._rows[parent] for parent in parents]
        found = np.stack([one.score(parents, answers) for one in self._members])
        return checked(self._combined.name, self._combined.combine(found), self._children)

    def keep(self, children: Sequence[int]) -> None:
        self._rows = [self._children[child] for child in children]
        for one in self._members:
            one.keep(children)
