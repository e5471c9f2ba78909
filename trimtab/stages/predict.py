"""Predict: class probabilities of a fitted model on the transfer and test items, or of an untrained one on the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import digest_of
from trimtab.stages.embed import model_identity, reading_bytes, with_weights
from trimtab.stages.stage import Stage
from trimtab.stages.train import read_activations
from trimtab.types import ModelSpec, Progress


@dataclass(frozen=True)
class PredictProbe(Stage):
    """A probe's class probabilities on some splits of one seed."""

    data: Stage
    split: Stage
    activations: Stage
    model: Stage
    parts: tuple[str, ...]
    """Splits to predict: a supervisor's transfer items become labels, all models are tested."""

    kind: ClassVar[str] = "predict"

    @property
    def title(self) -> str:
        return "predict"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions

        head = read_head(inputs["model"])
        wanted, splits = evaluated(inputs["split"], self.parts)
        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
        values = read_activations(inputs["activations"])[rows_of(ids, wanted)]
        write_predictions(out, Predictions(wanted, splits, head.probabilities(values)))
        return {"items": len(wanted)}


@dataclass(frozen=True)
class PredictTuned(Stage):
    """A tuned model's class probabilities on some splits of one seed."""

    data: Stage
    split: Stage
    model: Stage
    spec: ModelSpec
    parts: tuple[str, ...]
    """Splits to predict, as for a probe."""
    prefix: Stage | None = None
    """Stored hidden states, where the model was trained on them."""
    weights: Stage | None = None
    """Where the model was tuned before it was trained."""

    kind: ClassVar[str] = "predict"
    version: ClassVar[int] = 3

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"model": model_identity(self.spec), "parts": list(self.parts)}

    @property
    def model_key(self) -> str | None:
        return digest_of(model_identity(self.spec)) if self.prefix else None

    @property
    def title(self) -> str:
        return f"predict with tuned {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        from trimtab.fit.predict_tuned import predict_tuned
        from trimtab.stages.tables import Predictions, write_predictions
        from trimtab.stages.tune_job import reading_of

        wanted, splits = evaluated(inputs["split"], self.parts)
        spec = with_weights(self.spec, inputs)
        found = predict_tuned(reading_of(spec, inputs, wanted), inputs["model"], progress)
        write_predictions(out, Predictions(wanted, splits, found.probabilities))
        return {"items": len(wanted), "truncated": found.truncated, "tokens": found.tokens}


@dataclass(frozen=True)
class PredictZeroShot(Stage):
    """Control (d): a causal model's own answer, from the probabilities of the class names after the prompt."""

    data: Stage
    spec: ModelSpec
    activations: Stage | None
    """Stored last states of the same model, which make a second pass through it unnecessary."""
    everything: bool = False
    """Whether all items are asked about, and not the test items alone."""

    kind: ClassVar[str] = "predict"

    @cached_property
    def settings(self) -> dict[str, Any]:
        asked = {"everything": True} if self.everything else {}
        return {"model": model_identity(self.spec), "zero_shot": True, **asked}

    @property
    def title(self) -> str:
        return f"zero-shot with {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`, or say why the class names cannot be told apart; an item's split is its role.

        A control that cannot be asked must not cost the user the rest of the study.
        """
        from trimtab.models.zero_shot import IndistinctNamesError

        try:
            return self._asked(inputs, out, progress)
        except IndistinctNamesError as error:
            return {"items": 0, "model": self.spec.model, "refused": str(error)}

    def _asked(self, inputs: Mapping[str, Path], out: Path, progress: Progress) -> dict[str, Any]:
        from trimtab.models.zero_shot import zero_shot, zero_shot_from_states
        from trimtab.stages.tables import Predictions, read_table, strings, write_predictions

        items = read_table(inputs["data"] / "items.parquet", ["id", "text", "role"])
        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        roles = strings(items, "role")
        rows = [i for i, role in enumerate(roles) if self.everything or role == "test"]
        ids, texts = strings(items, "id"), strings(items, "text")
        asked, prompt, classes = [texts[i] for i in rows], facts["prompt"], facts["classes"]
        found = None
        if "activations" in inputs:
            states = read_activations(inputs["activations"])[rows]
            found = zero_shot_from_states(self.spec, states, asked, prompt, classes)
        from_states = found is not None
        if found is None:
            found = zero_shot(self.spec, asked, prompt, classes, progress)
        asked_of = tuple(ids[i] for i in rows), tuple(roles[i] for i in rows)
        write_predictions(out, Predictions(*asked_of, found.probabilities))
        return {"items": len(rows), "model": self.spec.model, "from_states": from_states, "tokens": found.tokens}


def read_head(folder: Path) -> Any:
    """Return the head of a fitted probe."""
    from safetensors.numpy import load_file

    from trimtab.fit.probe import Head

    return Head(**load_file(folder / "head.safetensors"))


def evaluated(split: Path, parts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids and split names of one seed's items in some of the splits."""
    from trimtab.stages.tables import read_table, strings

    membership = read_table(split / "membership.parquet")
    pairs = zip(strings(membership, "id"), strings(membership, "split"), strict=True)
    kept = [(one, name) for one, name in pairs if name in parts]
    return tuple(one for one, _ in kept), tuple(name for _, name in kept)
