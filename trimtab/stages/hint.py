"""Hint: texts that hold the supervisor's answer, so that nothing has to be known to copy it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trimtab.stages.stage import Stage
from trimtab.types import Progress

HINT = "An answer given to this: {answer}. Do you agree?\n\n"
"""What stands before a text; after it, it would be the first to go where a long text is cut."""
PARTS = ("transfer", "test")


@dataclass(frozen=True)
class TextHinted(Stage):
    """The transfer and test items of one seed, the supervisor's answer before each text; read like any data."""

    data: Stage
    split: Stage
    predictions: Stage
    """What the supervisor says of these items."""

    kind: ClassVar[str] = "hint"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.hint",)

    @property
    def title(self) -> str:
        return "write answers into texts"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `items.parquet` and `data.json` as the data stage does; no ground truth is read or written."""
        from trimtab.stages.predict import evaluated
        from trimtab.stages.tables import read_predictions, read_table, rows_of, strings, write_table

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        items = read_table(inputs["data"] / "items.parquet", ["id", "text", "related", "role"])
        ids, _ = evaluated(inputs["split"], PARTS)
        rows = rows_of(strings(items, "id"), ids)
        told = read_predictions(inputs["predictions"])
        answers = told.probabilities[rows_of(told.ids, ids)].argmax(1)
        texts, roles = strings(items, "text"), strings(items, "role")
        columns = {
            "id": list(ids),
            "text": [hinted(texts[row], facts["classes"][answer]) for row, answer in zip(rows, answers, strict=True)],
            "related": items["related"].to_numpy()[rows],
            "role": [roles[row] for row in rows],
        }
        write_table(out / "items.parquet", columns)
        shutil.copyfile(inputs["data"] / "data.json", out / "data.json")
        return {"items": len(ids)}


def hinted(text: str, answer: str) -> str:
    """Return a text after the answer that was given to it.

    >>> hinted("a dull film", "negative")
    'An answer given to this: negative. Do you agree?\\n\\na dull film'
    """
    return HINT.format(answer=answer) + text
