"""Which items go through the model together.

Every epoch has its own random order, drawn from the seed; `batch_size` items in this order are one optimiser step.
Within a step the items are sorted by length before they are cut into micro-batches: the step's gradient is the same
sum, and little is spent on padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Place = tuple[int, bool]
"""An item, and whether it counts; one that does not only keeps a device busy."""


class StepBatches:
    """The micro-batches of one device, epoch after epoch."""

    def __init__(
        self, lengths: Sequence[int], batch_size: int, micro_batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        """Deal the micro-batches of each step out to `world` devices; this is the one number `rank`."""
        self._lengths, self._seed = lengths, seed
        self._batch_size, self._micro = batch_size, micro_batch_size
        self._rank, self._world = rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose whose order is drawn."""
        self._epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self._lengths), self._batch_size)
        return whole * self._batch_size // (self._micro * self._world) + -(-rest // (self._micro * self._world))

    def __iter__(self) -> Iterator[list[Place]]:
        order = np.random.default_rng([self._seed, self._epoch, 0x0DE5]).permutation(len(self._lengths)).tolist()
        for start in range(0, len(order), self._batch_size):
            yield from self._of_step(order[start : start + self._batch_size])

    def _of_step(self, items: list[int]) -> list[list[Place]]:
        longest_first = sorted(items, key=lambda item: (-self._lengths[item], item))
        cut = [longest_first[i : i + self._micro] for i in range(0, len(items), self._micro)]
        batches = [[(item, True) for item in batch] for batch in cut]
        # all devices take part in every exchange of gradients, so a device without an item is lent the shortest one
        idle = -len(batches) % self._world
        return [*batches, *([[(longest_first[-1], False)]] * idle)][self._rank :: self._world]
