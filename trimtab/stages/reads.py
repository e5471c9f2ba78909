"""Reads: the texts that a model is given of a data artifact, item by item.

One text an item; of a task of pairs both answers, of a task of choices every one of the item's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.stages.data import CHOICES, SIDES

if TYPE_CHECKING:
    from trimtab.fit.answers import Answers
    from trimtab.fit.reading import Reading
    from trimtab.models.prefix_states import StoredStates
    from trimtab.types import ModelSpec


@dataclass(frozen=True)
class Reads:
    """What there is to read of the items of a data set."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    prompt: str
    """The task's way to ask a causal model."""
    answers: Answers | None
    """Whose answers the texts are; none where each text is an item."""

    def reading(self, spec: ModelSpec, wanted: Sequence[str], states: StoredStates | None = None) -> Reading:
        """Return what a model reads of some items; `states` are those of all texts."""
        from trimtab.fit.reading import Reading
        from trimtab.stages.tables import rows_of

        everything = Reading(spec, self.texts, self.prompt, states, self.answers)
        return everything.chosen(rows_of(self.ids, wanted).tolist())


def reads_of(data: Path) -> Reads:
    """Return what there is to read of a data artifact; its columns say whether items have answers."""
    import pyarrow.parquet as pq

    from trimtab.fit.answers import Answers
    from trimtab.stages.tables import read_table, strings

    columns = set(pq.read_schema(data / "items.parquet").names)
    facts = json.loads((data / "data.json").read_text("utf-8"))
    paired = set(SIDES) <= columns
    named = list(SIDES) if paired else [CHOICES if CHOICES in columns else "text"]
    items = read_table(data / "items.parquet", ["id", *named])
    ids, prompt = strings(items, "id"), facts["prompt"]
    if named == ["text"]:
        return Reads(ids, strings(items, "text"), prompt, None)
    its = list(zip(*(strings(items, side) for side in SIDES), strict=True)) if paired else items[CHOICES].to_pylist()
    answers = Answers(tuple(map(len, its)), len(facts["classes"]), paired)
    return Reads(ids, tuple(text for one in its for text in one), prompt, answers)
