"""The only token loop: draw a token for every row until its answer ends or the chunk is full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.decode.sampling import Sampling, draw
from trimtab.types import Array


class Writer(Protocol):
    """Rows of text with the logits of their next tokens: one model, or several that are mixed."""

    def __len__(self) -> int: ...

    def logits(self) -> Float[Tensor, "rows vocabulary"]:
        """Return the logits of each row's next token."""
        ...

    def append(self, tokens: Int[Tensor, "rows"]) -> None:
        """Take these as the next tokens."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may be taken more than once."""
        ...


def write(
    writer: Writer, numbers: Float[Array, "rows steps"], sampling: Sampling, end_ids: Collection[int],
    limits: Sequence[int] | None = None,
) -> tuple[list[list[int]], list[int]]:  # fmt: skip
    """Return up to `steps` new tokens of each row, or up to its own limit, an ending one included.

    Rows that end, or reach a limit of their own, leave the batch: the second thing that is returned says which of the
    rows that were there the writer's rows are afterwards.
    """
    chunks: list[list[int]] = [[] for _ in numbers]
    live = list(range(len(numbers)))
    drawn = torch.from_numpy(numbers)
    for step in range(numbers.shape[1]):
        if not live:
            break
        tokens = draw(writer.logits(), drawn[live, step], sampling)
        writer.append(tokens)
        found = tokens.tolist()
        for row, token in zip(live, found, strict=True):
            chunks[row].append(token)
        full = [limits is not None and len(chunks[row]) >= limits[row] for row in live]
        going = [place for place, token in enumerate(found) if token not in end_ids and not full[place]]
        if len(going) < len(live):
            going = closed_up(going)
            writer.select(going)
            live = [live[place] for place in going]
    return chunks, live


def closed_up(rows: Sequence[int]) -> list[int]:
    """Return the same rows with the gaps before them filled from the end: all others stay where they are.

    >>> closed_up([0, 2, 3, 5])
    [0, 5, 2, 3]
    """
    staying = {row for row in rows if row < len(rows)}
    others = [row for row in rows if row >= len(rows)]
    return [place if place in staying else others.pop() for place in range(len(rows))]
