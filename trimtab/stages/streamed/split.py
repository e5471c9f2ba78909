"""Split, streamed: one seed's supervisor and transfer items, by random numbers of the items' keys.

The supervisor split has the smallest numbers of the pool, the transfer split the largest: never the same item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.split import Split
from trimtab.types import Progress


@dataclass(frozen=True)
class StreamedSplit(Split):
    """Membership of one seed, part by part."""

    code: ClassVar[tuple[str, ...]] = (
        "trimtab.stages.streamed.split",
        "trimtab.tasks.streamed.keys",
        "trimtab.tasks.streamed.thresholds",
    )

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `membership.arrow`: the split of every item."""
        import json

        import numpy as np

        from trimtab.stages.streamed.parts import MEMBERSHIP, SPLITS, SUPERVISOR, TEST, TRANSFER, read_part, writing
        from trimtab.tasks.shortage import check_trainable, sizes_missing
        from trimtab.tasks.streamed.keys import mixed
        from trimtab.tasks.streamed.roles import check_filled
        from trimtab.tasks.streamed.thresholds import below, bound_of_smallest

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        if self.split.supervisor is None or self.split.transfer is None:
            raise sizes_missing(self.split, ("supervisor", "transfer"), facts["pool"])
        items, parts = inputs["data"] / "items.arrow", range(facts["parts"])

        def numbers(part: int) -> tuple[Any, Any]:
            keys, test = read_part(items, part, "key", "test")
            return mixed(keys, "draw", self.split.split_seed, self.seed), test

        def of_pool(turned: bool) -> Iterator[Any]:
            for part in parts:
                values, test = numbers(part)
                yield (~values if turned else values)[~test]

        low = bound_of_smallest(lambda: of_pool(turned=False), self.split.supervisor)
        high = bound_of_smallest(lambda: of_pool(turned=True), self.split.transfer)
        counts = np.zeros((len(SPLITS) + 1, len(facts["classes"])), int)
        with writing(out / "membership.arrow", MEMBERSHIP) as table:
            for part in parts:
                values, test = numbers(part)
                split = np.where(below(values, low), SUPERVISOR, np.where(below(~values, high), TRANSFER, 0))
                split = np.where(test, TEST, split).astype(np.uint8)
                table.write({"split": split})
                (gold,) = read_part(inputs["data"] / "gold.arrow", part, "gold")
                np.add.at(counts, (split, gold), 1)
                progress(part + 1, len(parts))
        for name, wanted in (("supervisor", self.split.supervisor), ("transfer", self.split.transfer)):
            check_filled(name, int(counts[SPLITS[name]].sum()), wanted)
            check_trainable(name, facts["classes"], counts[SPLITS[name]].tolist())
        return {name: int(counts[number].sum()) for name, number in SPLITS.items()}
