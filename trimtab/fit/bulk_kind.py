"""Which fits one block can take, and the block for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.fit.bulk_block import Block, slots_of
from trimtab.fit.bulk_design import Design
from trimtab.fit.bulk_slopes import Automatic, ClosedForm, mixing_of
from trimtab.types import Objective

SIDE_BY_SIDE = 2**19
"""Features of designs that are solved side by side; of larger ones the products take the time, not the calls."""


@dataclass(frozen=True)
class Kind:
    """What fits have in common that one block can take."""

    classes: int
    closed: bool
    """Whether their slopes are known in closed form."""
    scheduled: bool

    @property
    def columns(self) -> int:
        """Columns of logits of a fit."""
        return 1 if self.closed and self.classes == 2 else self.classes

    def designs(self, like: Design) -> int:
        """Return how many designs of this shape a block takes side by side."""
        return max(1, SIDE_BY_SIDE // like.features.numel()) if self.columns == 1 else 1

    def block(self, designs: Sequence[Design]) -> Block:
        """Return an empty block."""
        slots, filled = slots_of(self.columns), len(designs[0].features)
        slopes = (
            ClosedForm(slots, self.classes, [one.items for one in designs], filled)
            if self.closed
            else Automatic(slots, self.classes, filled)
        )
        return Block(designs, self.columns, self.classes, slopes, self.scheduled)


def kind_of(objective: Objective, classes: int) -> Kind:
    """Return the kind of a fit of an objective to labels of so many classes."""
    return Kind(classes, mixing_of(objective) is not None, objective.scheduled)
