"""Generative fine-tuning first: let the strong model read the task's texts, without any label, before it learns.

    min over the model of - sum_i sum_t log p(x_i,t | x_i,<t)          x_i: texts of the pool, never a test text

What the task is about becomes easier to read off the model's states; weak labels come afterwards.

Burns et al. 2023, section 5.2.2  https://arxiv.org/abs/2312.09390
Differs from the paper: all texts of the pool are read, once for all seeds; the ceiling is the same model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class Generative:
    """The language model is tuned on the task's own texts first; for causal models."""

    epochs: int = 1
    """Passes over the texts, at least 1."""
    learning_rate: float = 2e-5
    """Peak learning rate of AdamW, above 0, falling to 0 in a line; our choice for full tuning."""
    batch_size: int = 32
    """Texts of an optimiser step, a multiple of 8 (so many go through the model at once)."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "generative"
    own_ceiling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, found {self.epochs}")
        if self.batch_size < 8 or self.batch_size % 8:
            raise ValueError(f"batch_size must be a multiple of 8, found {self.batch_size}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0, found {self.learning_rate}")
