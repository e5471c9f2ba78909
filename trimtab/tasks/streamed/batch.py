"""Some rows of a data set that is read as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Int, UInt64

from trimtab.types import Array

PART = 8192
"""Items of a part: what a stage of a streamed study holds at a time."""


@dataclass(frozen=True)
class Batch:
    """Consecutive rows."""

    first: int
    """Number of the first row, from 0."""
    ids: Sequence[str]
    texts: Sequence[str]
    gold: Int[Array, "items"]
    keys: UInt64[Array, "items"]
    """Equal for rows of one group; of its own where a row stands alone."""


@runtime_checkable
class StreamedTask(Protocol):
    """A task whose items are read some at a time; it is also a `trimtab.tasks.Task`."""

    kind: ClassVar[str]
    prompt: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes in their order."""
        ...

    def count(self) -> int:
        """Return the number of rows."""
        ...

    def batches(self) -> Iterator[Batch]:
        """Yield all rows in their order, the same each time, at most `PART` at a time."""
        ...
