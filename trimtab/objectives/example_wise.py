"""What most objectives have in common: each example stands alone, and no ground truth is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from trimtab.types import Tensor, Truth


@dataclass(frozen=True)
class ExampleWise:
    """An objective that needs to know nothing of other examples."""

    truth: ClassVar[Truth] = "none"
    scheduled: ClassVar[bool] = False

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return nothing: each example stands alone."""
        return {}
