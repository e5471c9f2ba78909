"""Strong to strong: the student relabels its own training items, and a fresh student learns from that.

    q^(k)_i = student trained on q^(k-1) without i's fold, asked about x_i;    q^(0) = weak labels,    k = 1 .. rounds

EleutherAI/w2s, `s2s_iters`  https://github.com/EleutherAI/w2s
Differs from that code: relabelling is cross-fitted; there the student is asked about items that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class StrongToStrong:
    """The student's own cross-fitted predictions replace the weak labels, once or several times."""

    rounds: int = 1
    """How often the labels are replaced, at least 0; 0 is naive, w2s tried 2."""
    folds: int = 3
    """Folds of each relabelling, at least 2."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "strong_to_strong"
    own_ceiling: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise ValueError(f"rounds must be at least 0, found {self.rounds}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, found {self.folds}")
