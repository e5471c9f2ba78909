"""Predict, streamed: class probabilities part by part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.stages.predict import PredictProbe, PredictZeroShot
from trimtab.types import Progress

PREDICTIONS = "predictions.arrow"


@dataclass(frozen=True)
class StreamedPredictProbe(PredictProbe):
    """A probe's class probabilities on some splits of one seed."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.arrow`."""
        import numpy as np
        from safetensors.numpy import load_file

        from trimtab.fit.probe import Head
        from trimtab.stages.streamed.embed import read_activations
        from trimtab.stages.streamed.parts import SPLITS, parts_of, predictions_schema, read_part, writing
        from trimtab.stages.tables import probability_columns

        head = Head(**load_file(inputs["model"] / "head.safetensors"))
        wanted = [SPLITS[name] for name in self.parts]
        items, told = inputs["data"] / "items.arrow", 0
        parts = parts_of(items)
        with writing(out / PREDICTIONS, predictions_schema(len(head.bias))) as table:
            for part in range(parts):
                (split,) = read_part(inputs["split"] / "membership.arrow", part, "split")
                rows = np.flatnonzero(np.isin(split, wanted))
                (ids,) = read_part(items, part, "id")
                found = head.probabilities(read_activations(inputs["activations"], part)[rows])
                named = {"row": rows.astype(np.uint32), "id": [ids[row] for row in rows], "split": split[rows]}
                table.write(named | probability_columns(found))
                told += len(rows)
                progress(part + 1, parts)
        return {"items": told}


@dataclass(frozen=True)
class StreamedPredictZeroShot(PredictZeroShot):
    """Control (d): a causal model's own answer on the test items."""

    def _asked(self, inputs: Mapping[str, Path], out: Path, progress: Progress) -> dict[str, Any]:
        import numpy as np

        from trimtab.models.zero_shot import Asker
        from trimtab.stages.streamed.parts import TEST, predictions_schema, read_part, writing
        from trimtab.stages.tables import probability_columns

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        asker = Asker(self.spec, facts["prompt"], facts["classes"])
        told = tokens = 0
        with writing(out / PREDICTIONS, predictions_schema(len(facts["classes"]))) as table:
            for part in range(facts["parts"]):
                ids, texts, test = read_part(inputs["data"] / "items.arrow", part, "id", "text", "test")
                rows = np.flatnonzero(test)
                found = asker.ask([texts[row] for row in rows])
                named = {"row": rows.astype(np.uint32), "id": [ids[row] for row in rows]}
                split = np.full(len(rows), TEST, np.uint8)
                table.write(named | {"split": split} | probability_columns(found.probabilities))
                told, tokens = told + len(rows), tokens + found.tokens
                progress(told, facts["test"], tokens=tokens)
        return {"items": told, "model": self.spec.model, "from_states": False, "tokens": tokens}
