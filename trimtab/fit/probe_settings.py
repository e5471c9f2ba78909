"""What can be set about a probe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Probe:
    """A linear head on standardised, stored activations, with an L2 penalty chosen by held-out labels."""

    strengths: tuple[float, ...] = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
    """Candidate penalties lambda of mean loss + lambda / 2 * |W|^2, per standardised feature."""
    folds: int = 3
    """Folds of the cross-validation that chooses the penalty, at least 2."""
    select: Literal["naive", "per_method"] = "naive"
    """`naive` chooses once by the held-out cross-entropy of the naive objective to the full labels and reuses that for
    all methods, so that methods differ in one thing; `per_method` chooses again on each method's own labels."""
    steps: int = 300
    """Full-batch steps of objectives that follow a schedule or the student's own predictions."""
    tolerance: float = 1e-6
    """Norm of the gradient in nats, above 0, at which a fit without schedule counts as converged."""
    select_tolerance: float = 1e-4
    """The same for the fits that only choose a penalty: their probabilities are within 0.005 of the exact ones for
    penalties from 0.01 on."""
    max_steps: int = 5000
    """Most full-batch steps of a fit without schedule; reaching it is reported as a warning."""

    kind: ClassVar[str] = "probe"

    def __post_init__(self) -> None:
        if not self.strengths or not all(0 < one < math.inf for one in self.strengths):
            raise ValueError(f"strengths must be one or more positive numbers, found {list(self.strengths)}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, found {self.folds}")
        if self.steps < 2 or self.max_steps < 1:
            raise ValueError(
                f"steps must be at least 2 and max_steps at least 1, found {self.steps} and {self.max_steps}"
            )
        for name in ("tolerance", "select_tolerance"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
