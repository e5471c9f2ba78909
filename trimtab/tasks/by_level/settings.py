"""What is asked of a split by difficulty."""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.tasks.membership import SplitSettings


@dataclass(frozen=True)
class ByLevel(SplitSettings):
    """The supervisor split is easy, the transfer and the test split are hard; some easy items are kept for a second
    test."""

    by: str = field(kw_only=True)
    """The task's number that says how hard an item is: `level` of the tasks that have one, or a column of whole numbers
    that a file names under `slices`."""
    hard_from: int = field(kw_only=True)
    """Items of this level and above are hard, all others easy."""
    kept: int | None = field(default=None, kw_only=True)
    """Easy items on which every model is tested too, the same for all seeds; none = as many as the test split has."""

    @property
    def held(self) -> int | None:
        """Easy items that are kept for a second test; none where the size of the test split is not given."""
        return self.test if self.kept is None else self.kept

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kept is not None and self.kept < 1:
            raise ValueError(f"kept must be at least 1 item, found {self.kept}")
        sizes = (self.supervisor, self.transfer, self.test, self.held)
        if None not in sizes[:2] and self.supervisor != self.transfer:
            raise ValueError(
                "supervisor and transfer must be equally large where the split is by level, so that easy and hard "
                f"truth are compared on equally many items: found {self.supervisor} and {self.transfer}"
            )
        whole = sum(size or 0 for size in sizes)
        if self.pool is not None and None not in sizes and self.pool < whole:
            raise ValueError(
                "pool counts the test items and the kept easy items too: it must be at least supervisor + transfer + "
                f"test + kept = {whole}, found {self.pool}"
            )
