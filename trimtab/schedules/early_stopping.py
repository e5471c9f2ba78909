"""Early stopping: hold out a share of the weak labels, and train as long as that helps on them.

    length* = argmin_{length} sum_{i held out} w_i CE(q_i, p_i^(length)),      trained on the other items

Burns et al. 2023, section 5.1.1 (there ground truth chooses, as an analysis)  https://arxiv.org/abs/2312.09390
Differs from the paper: the weak labels choose unless `oracle` is set; each length is a fit of its own, with a learning
rate schedule that ends there; the ceiling holds out the same items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class EarlyStopping:
    """Choose how long to train on held-out items."""

    lengths: tuple[int, ...] = (3, 10, 30, 100, 300)
    """Candidates, each at least 1, rising: full-batch steps of a probe, epochs of a tuned model (there take few, for
    example 1, 2, 3)."""
    folds: int = 5
    """One of so many folds is held out, at least 2."""
    oracle: bool = False
    """Whether ground truth of the held-out items chooses; an analysis, marked as an oracle in every table."""

    name: ClassVar[str] = "early_stopping"
    own_ceiling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1 or list(self.lengths) != sorted(set(self.lengths)):
            raise ValueError(f"lengths must be rising numbers of at least 1, found {list(self.lengths)}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, found {self.folds}")

    @property
    def truth(self) -> Truth:
        """Whether ground truth chooses."""
        return "oracle" if self.oracle else "none"
