"""Prompts: the beginnings of texts, for the pairs of a guide, for checking it, and for the study itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.decode.answer import Prompt
from trimtab.stages.stage import Stage
from trimtab.types import Progress

PAIRS, DEVELOPMENT, PROMPTS = "pairs", "development", "prompts"
STREAM = 0x5EA1


@dataclass(frozen=True)
class Prompts(Stage):
    """Beginnings of texts: those of the proxy's split for pairs, those of the test split for all else."""

    data: Stage
    split: Stage
    words: int
    """How many words a beginning has; of a short text half of them."""
    development: int
    """How many prompts of the test split are kept for checking the guide."""

    kind: ClassVar[str] = "prompts"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.search.prompts",)

    @property
    def title(self) -> str:
        return "cut prompts"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `prompts.parquet`: id, part, text, related. No ground truth is read."""
        import numpy as np

        from trimtab.stages.tables import read_table, rows_of, strings, write_table

        items = read_table(inputs["data"] / "items.parquet", ["id", "text", "related"])
        members = read_table(inputs["split"] / "membership.parquet")
        sides = list(zip(strings(members, "id"), strings(members, "split"), strict=True))
        tested = sorted(one for one, side in sides if side == "test")
        order = np.random.default_rng([STREAM]).permutation(len(tested))
        parts = {tested[place]: DEVELOPMENT if rank < self.development else PROMPTS for rank, place in enumerate(order)}
        parts |= {one: PAIRS for one, side in sides if side == "supervisor"}
        rows = rows_of(strings(items, "id"), list(parts))
        texts = strings(items, "text")
        begun = [beginning(texts[row], self.words) for row in rows]
        related = items["related"].to_numpy()[rows]
        columns = {"id": list(parts), "part": list(parts.values()), "text": begun, "related": related}
        write_table(out / "prompts.parquet", columns)
        return {part: list(parts.values()).count(part) for part in (PAIRS, DEVELOPMENT, PROMPTS)}


def beginning(text: str, words: int) -> str:
    """Return the first words of a text; of a short text half of them, at least one.

    >>> beginning("a dull and endless film", 3), beginning("a film", 3)
    ('a dull', 'a')
    """
    found = text.split()
    return " ".join(found[: min(words, max(1, len(found) // 2))])


def read_prompts(folder: Path, part: str) -> tuple[list[Prompt], Sequence[int]]:
    """Return the prompts of a part, and which of them are related."""
    from trimtab.stages.tables import read_table, strings

    table = read_table(folder / "prompts.parquet")
    rows = [row for row, one in enumerate(strings(table, "part")) if one == part]
    ids, texts, related = strings(table, "id"), strings(table, "text"), table["related"].to_numpy()
    return [Prompt(ids[row], texts[row]) for row in rows], [int(related[row]) for row in rows]
