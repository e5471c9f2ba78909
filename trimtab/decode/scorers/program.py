"""Any program as a scorer: a callable that is asked about one answer at a time.

    s(x, y) = f(prompt, answer, ended)

`ended` says whether the base model really ended the answer; one that ran out of room, or is still being written, has
not. An empty answer is given to the callable like any other: answers grow from nothing. A function that wants many
answers at once is a `TextScorer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.scorers.scorer import WholeScorer
from trimtab.errors import ScoreError

ProgramFunction = Callable[[str, str, bool], float]
"""Prompt, answer and whether it has ended in, one finite number out; higher is better."""


class Program(WholeScorer):
    """A callable; higher is better."""

    def __init__(self, function: ProgramFunction, name: str | None = None) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)

    def values(self, prompts: Sequence[Prompt], answers: Sequence[Answer], compute: Compute) -> Sequence[float]:
        """Return what the callable says of each answer. Raises ScoreError where it fails or gives no number."""
        return [self._value(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _value(self, prompt: Prompt, answer: Answer) -> float:
        try:
            found = self.function(prompt.text, answer.text, answer.ended)
        except Exception as error:
            raise ScoreError(
                f"the scorer {self.name} failed on an answer to prompt {prompt.id}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, Real):
            raise ScoreError(
                f"the scorer {self.name} gave {type(found).__name__} for an answer to prompt {prompt.id}; wanted a "
                "number"
            )
        return float(found)
