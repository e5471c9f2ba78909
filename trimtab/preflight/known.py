"""What a preflight finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preflight:
    """What is known of a study that was not run."""

    test_items: int | None
    """Size of the test split; none where the data were not read."""
    dropped: Mapping[str, int]
    """Items that are left out, by reason."""
    data_notes: tuple[str, ...]
    """What the data set says of itself; the report repeats it."""
    warnings: tuple[str, ...]
    """What a reader must know about how the models are used."""
    test_groups: int | None = None
    """Into how many groups of related items the test split falls; none where the data were not read."""
