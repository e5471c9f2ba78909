"""Batches by token budget over length-sorted inputs: little padding, the same batches every time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
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
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    places, counts = np.arange(lengths.max()), lengths[:, None]
    real = places >= len(places) - counts if left else places < counts
    filled = np.full(real.shape, pad_id, np.int64)
    filled[real] = np.fromiter(chain.from_iterable(ids), np.int64, lengths.sum())
    return torch.from_numpy(filled), torch.from_numpy(real.astype(np.int64))
