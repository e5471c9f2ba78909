"""A figure with what must be said beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure, its name as a file, and the words beside it."""

    name: str
    figure: Figure
    caption: str
    description: str
    """The numbers in words, for those who cannot see the figure."""
