"""How a language model is tuned on pairs of answers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Preference:
    """Direct preference optimisation. Raises ValueError for a value out of range."""

    epochs: int = 1
    """Passes over the pairs, at least 1."""
    learning_rate: float = 1e-4
    """Peak learning rate of AdamW, above 0, falling to 0 in a line."""
    batch_size: int = 32
    """Pairs of an optimiser step, a multiple of 8 (so many go through the model at once)."""
    beta: float = 0.1
    """How dear it is to leave the untuned model, above 0; the tuned model's implicit reward is beta times the
    log-ratio."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, found {self.epochs}")
        if self.batch_size < 8 or self.batch_size % 8:
            raise ValueError(f"batch_size must be a multiple of 8, found {self.batch_size}")
        for name in ("learning_rate", "beta"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
