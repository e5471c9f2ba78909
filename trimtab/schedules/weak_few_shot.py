"""Weak few-shot prompting: the strong model reads a few weakly labelled examples and answers; nothing is trained.

    p(c | x) ~ prod_t p(word_c,t | (x_1, h_1), .., (x_k, h_k), x, word_c,<t),      h_j = argmax_c q_jc

Burns et al. 2023, section 5.2.1  https://arxiv.org/abs/2312.09390
Differs from the paper: examples are drawn evenly over the weak classes among the items that label steps have kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class WeakFewShot:
    """Prompt the student instead of training it."""

    shots: int = 8
    """Weakly labelled examples before each question, at least 1; 8 is our choice."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "weak_few_shot"
    own_ceiling: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise ValueError(f"shots must be at least 1, found {self.shots}")
