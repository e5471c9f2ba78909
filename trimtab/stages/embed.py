"""Embed: run a model once over every text of a data set and keep one activation per text.

All probes, methods and seeds share the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import digest_of
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

MODEL = "model"
"""The folder in an artifact that holds a tuned model."""


def model_identity(spec: ModelSpec) -> dict[str, Any]:
    """Return what identifies a model's activations: the content of its weights and how its text is built.

    The path or name is not part of it, so that a moved folder is still the same model.
    """
    from trimtab.models.precision import device_class, resolved_precision
    from trimtab.models.source import fingerprint

    chosen = {field.name: getattr(spec, field.name) for field in fields(spec)}
    del chosen["model"], chosen["revision"]
    if chosen["cut"] == "end":  # what is not asked for leaves the identity as it was before it could be
        del chosen["cut"]
    return chosen | {
        "weights": fingerprint(spec),
        "precision": resolved_precision(spec),
        "device": device_class(),
    }


def reading_bytes(spec: ModelSpec) -> int:
    """Return about how much memory it takes to run texts through a model."""
    from trimtab.models.source import loaded_bytes

    return loaded_bytes(spec) + 500_000_000


@dataclass(frozen=True)
class Embed(Stage):
    """One activation per text of a data set."""

    data: Stage
    spec: ModelSpec
    weights: Stage | None = None
    """Where the model was tuned before; none takes the spec's own weights."""

    kind: ClassVar[str] = "embed"
    elastic: ClassVar[bool] = True
    version: ClassVar[int] = 2

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"model": model_identity(self.spec)}

    @property
    def title(self) -> str:
        return f"embed with {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    @property
    def model_key(self) -> str:
        return digest_of([self.settings["model"], *([self.weights.digest] if self.weights else [])])

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `activations.safetensors` (float32, in the order of the data's items)."""
        from safetensors.numpy import save

        from trimtab.models.activations import activations
        from trimtab.models.features import feature_rows
        from trimtab.models.source import fingerprint, locate
        from trimtab.stages.tables import read_table, strings

        source = locate(self.spec)
        if source.kind == "features":
            ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
            values = feature_rows(Path(source.place), ids)
            (out / "activations.safetensors").write_bytes(save({"activations": values}))
            told = {"revision": fingerprint(self.spec), "features": values.shape[1]}
            return {"model": self.spec.model, "truncated": 0, "tokens": 0, "description": told}
        texts = strings(read_table(inputs["data"] / "items.parquet", ["text"]), "text")
        prompt = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["prompt"]
        spec = with_weights(self.spec, inputs)
        found = activations(spec, texts, prompt, progress, work)
        (out / "activations.safetensors").write_bytes(save({"activations": found.values}))
        facts = {"model": self.spec.model, "truncated": found.truncated, "tokens": found.tokens}
        return facts | {"description": description(spec, prompt)}


def with_weights(spec: ModelSpec, inputs: Mapping[str, Path]) -> ModelSpec:
    """Return a spec that reads the model in a stage's input `weights`, where it has one."""
    return replace(spec, model=str(inputs["weights"] / MODEL), revision=None) if "weights" in inputs else spec


def description(spec: ModelSpec, prompt: str) -> dict[str, Any]:
    """Return how a model is read, for the report: layer, pooling, template, longest input, precision and size."""
    from trimtab.models.load import shared_backbone
    from trimtab.models.precision import resolved_precision
    from trimtab.models.source import fingerprint
    from trimtab.models.text import pooling_of, template_of

    backbone = shared_backbone(spec)
    return {
        "revision": fingerprint(spec),
        "layer": spec.layer,
        "pooling": pooling_of(spec, backbone.causal),
        "template": template_of(spec, prompt, backbone.causal),
        "max_tokens": min(spec.max_tokens, backbone.context),
        "precision": resolved_precision(spec),
        "params": sum(one.numel() for one in backbone.model.parameters()),
    }
