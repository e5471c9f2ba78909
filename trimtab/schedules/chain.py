"""Bootstrapping: models between the weak one and the strong one hand the labels on.

    q^(k)_i = M_k trained on q^(k-1) without i's fold, asked about x_i;    q^(0) = weak labels
    student: trained on q^(n)

Burns et al. 2023, section 4.1  https://arxiv.org/abs/2312.09390
Differs from the paper: every model relabels by cross-fitting, since asked about its own training items it would repeat
what it was told; the naive row of the same pair is the direct run beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.learner import Learner
from trimtab.types import Truth


@dataclass(frozen=True)
class Chain:
    """Labels go through one or several models in between."""

    through: tuple[Learner, ...] = ()
    """The models in between, in order, each written like an entry of `strong`; none is naive."""
    folds: int = 3
    """Folds of each relabelling, at least 2."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "chain"
    own_ceiling: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, found {self.folds}")
        for i, one in enumerate(self.through):
            if one in self.through[:i]:
                raise ValueError(
                    f"through holds {one.spec.model} twice, read and fitted alike; a chain goes on to others"
                )
