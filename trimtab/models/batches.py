"""Batches by token budget over length-sorted inputs: little padding, the same batches every time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor


def by_length(ids: Sequence[Sequence[int]]) -> list[int]:
    """Return the items from the longest to the shortest, so that memory runs out at the start or not at
    all."""
    return sorted(range(len(ids)), key=lambda item: (-len(ids[item]), item))


def token_batches(order: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return `order` in consecutive batches of at most `batch_tokens` tokens with padding (one item at the
    least).

    >>> token_batches([2, 0, 1], [3, 2, 4], 8)
    [[2, 0], [1]]
    """
    batches: list[list[int]] = []
    widest = 0
    for item in order:
        widest = max(widest, lengths[item])
        if batches and widest * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(item)
        else:
            batches.append([item])
            widest = lengths[item]
    return batches


def pad(
    ids: Sequence[Sequence[int]], pad_id: int, left: bool
) -> tuple[Int[Tensor, "items tokens"], Int[Tensor, "items tokens"]]:
    """Return ids filled up to the longest item, and the mask that is 1 on real tokens."""
    width = max(map(len, ids))
    filled = torch.full((len(ids), width), pad_id)
    mask = torch.zeros((len(ids), width), dtype=torch.long)
    for row, tokens in enumerate(ids):
        place = slice(width - len(tokens), width) if left else slice(0, len(tokens))
        filled[row, place] = torch.tensor(tokens)
        mask[row, place] = 1
    return filled, mask
