"""The interface of scorers, and how a plain function becomes one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.errors import ScoreError
from trimtab.types import Array


class Scoring(Protocol):
    """Scores of one batch of prompts, which may keep what it has read of every row."""

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        """Return the score of each answer, which goes on from the row of its parent."""
        ...

    def keep(self, children: Sequence[int]) -> None:
        """Make these of the answers that were scored last the rows, in this order."""
        ...


class Scorer(Protocol):
    """Something that scores answers, or their beginnings; higher is better."""

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers, one row per prompt."""
        ...


TextFunction = Callable[[Sequence[str], Sequence[str]], Sequence[float]]
"""Prompts and answers of equal number in, one number each out."""


class WholeScorer(ABC):
    """A scorer that reads every answer with its prompt from the start and keeps nothing."""

    name: str

    @abstractmethod
    def values(self, prompts: Sequence[Prompt], answers: Sequence[Answer], compute: Compute) -> Sequence[float]:
        """Return one number per answer."""

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers."""
        return _Whole(self, prompts, compute)


class _Whole:
    def __init__(self, scorer: WholeScorer, prompts: Sequence[Prompt], compute: Compute) -> None:
        self._scorer, self._compute = scorer, compute
        self._rows = list(prompts)
        self._children: list[Prompt] = []

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        self._children = [self._rows[parent] for parent in parents]
        found = self._scorer.values(self._children, answers, self._compute) if answers else []
        return checked(self._scorer.name, found, self._children)

    def keep(self, children: Sequence[int]) -> None:
        self._rows = [self._children[child] for child in children]


class TextScorer(WholeScorer):
    """Any function of prompts and answers."""

    def __init__(self, function: TextFunction, name: str | None = None) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)

    def values(self, prompts: Sequence[Prompt], answers: Sequence[Answer], compute: Compute) -> Sequence[float]:
        """Return what the function says. Raises ScoreError where it fails."""
        try:
            return self.function([one.text for one in prompts], [one.text for one in answers])
        except Exception as error:
            raise ScoreError(
                f"the scorer {self.name} failed on {len(answers)} answers: {type(error).__name__}: {error}"
            ) from error


def checked(name: str, values: object, prompts: Sequence[Prompt]) -> Float[Array, "answers"]:
    """Return scores as an array. Raises ScoreError unless there is one finite number per answer."""
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ScoreError(f"the scorer {name} gave {type(values).__name__}; wanted one number per answer") from error
    if found.shape != (len(prompts),):
        raise ScoreError(
            f"the scorer {name} gave shape {found.shape} for {len(prompts)} answers; wanted one number each"
        )
    for value, prompt in zip(found.tolist(), prompts, strict=True):
        if not math.isfinite(value):
            raise ScoreError(
                f"the scorer {name} gave {value} for an answer to prompt {prompt.id}; wanted a finite number "
                "(of an empty answer too: answers grow from nothing)"
            )
    return found
