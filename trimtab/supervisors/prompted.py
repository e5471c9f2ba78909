"""Prompted: a causal model's own answer, after no example or a few.

    q_ic ~ prod_t p(word_c,t | examples, prompt(text_i), word_c,<t)

Brown et al. 2020, section 2 (few-shot prompting)  https://arxiv.org/abs/2005.14165
Differs from Burns et al. 2023, who prompt the student with weakly labelled examples: here the examples come from the
supervisor split with their ground truth, and the model that answers is the supervisor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trimtab.errors import FitError
from trimtab.types import ModelSpec, Truth

STREAM = 0xF5E7
"""Which of a seed's random streams chooses examples."""


def chosen_examples(classes: Sequence[int], shots: int, generator: np.random.Generator) -> list[int]:
    """Return the positions of `shots` examples, the classes as evenly as they divide, in random order.

    Raises FitError where a class has too few items for its share.
    """
    kinds = generator.permutation(np.unique(classes))
    order = generator.permutation(len(classes))
    found: list[int] = []
    for place, kind in enumerate(kinds.tolist()):
        share = len(range(place, shots, len(kinds)))
        of_kind = [int(one) for one in order if classes[one] == kind]
        if len(of_kind) < share:
            raise FitError(
                f"{shots} examples, evenly over {len(kinds)} classes, need {share} items labelled as class {kind}, "
                f"and there are {len(of_kind)}; set fewer `shots`"
            )
        found += of_kind[:share]
    return [found[i] for i in generator.permutation(shots)]


def prompt_with_examples(prompt: str, texts: Sequence[str], answers: Sequence[str]) -> str:
    """Return the prompt after solved copies of itself, still with one `{text}` where the item goes."""
    space = "" if prompt[-1:].isspace() else " "
    solved = [prompt.replace("{text}", text.replace("{text}", "{ text }")) + space + answer + "\n\n"
              for text, answer in zip(texts, answers, strict=True)]  # fmt: skip
    return "".join(solved) + prompt


@dataclass(frozen=True)
class Prompted:
    """A causal model asked for the class; nothing is trained."""

    model: ModelSpec
    """The model, written like an entry of `weak` without `fit`."""
    shots: int = 0
    """Examples with their ground truth, from the supervisor split, before each question; 0 asks without any."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "prompted"

    def __post_init__(self) -> None:
        if self.shots < 0:
            raise ValueError(f"shots must be at least 0, found {self.shots}")
