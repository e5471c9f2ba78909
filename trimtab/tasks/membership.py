"""How large the splits are asked to be, and who ended up in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SplitSettings:
    """How many items each split has, and from how many they are drawn."""

    supervisor: int | None = None
    """Items of the supervisor split; none = all that the data set's own split column has."""
    transfer: int | None = None
    """Items of the transfer split; none = all that the data set's own split column has."""
    test: int | None = None
    """Items of the test split, the same for all seeds; none = all that the data set's own split column
    has."""
    pool: int | None = None
    """Items that are used at all: the fixed test items and those from which every seed draws the other two
    splits. None = exactly the three sizes together, so that seeds divide the same items differently; where
    items come in groups, all items, because whole groups rarely add up to a size."""
    split_seed: int = 0
    """Chooses test split and pool, and with a run's seed the other two; another number, another study."""

    def of_pool(self) -> SplitSettings:
        """Return only what decides the test split and the pool, so that other sizes inside a given pool share both."""
        return self if self.pool is None else replace(self, supervisor=None, transfer=None)

    def __post_init__(self) -> None:
        for name in ("supervisor", "transfer", "test"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1 item, found {size}")
        sizes = (self.supervisor, self.transfer, self.test)
        if self.pool is not None and None not in sizes and self.pool < sum(size or 0 for size in sizes):
            raise ValueError(
                f"pool counts the test items too: it must be at least supervisor + transfer + test = "
                f"{sum(size or 0 for size in sizes)}, found {self.pool}"
            )


@dataclass(frozen=True)
class Pool:
    """What all seeds share: the test split and the items from which each seed draws the other two."""

    classes: tuple[str, ...]
    test: tuple[str, ...]
    """Ids of the test split, sorted."""
    test_related: tuple[int, ...]
    """Equal numbers are resampled together: test items of one group or template."""
    train: tuple[str, ...]
    """Ids from which supervisor and transfer split are drawn, sorted."""
    train_gold: tuple[int, ...]
    """Class of each item of `train`."""
    train_related: tuple[int, ...]
    """Equal numbers never straddle supervisor and transfer split, nor two folds."""
    dropped: Mapping[str, int]
    """Items left out and why: "duplicate", "conflict", "near_duplicate", "group"."""
    unused: int
    """Usable items that the sizes asked for leave out."""
    supervisor: tuple[str, ...] | None = None
    """The data set's own supervisor split, the same for all seeds; none = drawn by seed."""
    transfer: tuple[str, ...] | None = None
    """The data set's own transfer split, the same for all seeds; none = drawn by seed."""


@dataclass(frozen=True)
class Membership:
    """The three splits of one seed as sorted ids."""

    supervisor: tuple[str, ...]
    transfer: tuple[str, ...]
    test: tuple[str, ...]
