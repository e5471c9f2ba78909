"""Whether models have the layers that are asked for, as their config.json says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trimtab.errors import ExperimentError
from trimtab.models.source import locate
from trimtab.types import ModelSpec

_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def check_layers(models: Iterable[tuple[str, ModelSpec]]) -> None:
    """Raise ExperimentError with the place in the file of the first model that lacks the layer it is to be read at."""
    for place, spec in models:
        layer, top = spec.layer, depth_of(spec)
        if layer is None or top is None or 0 <= layer <= top:
            continue
        raise ExperimentError(
            f"{place.removesuffix('.model')}.layer: found {layer}, wanted 0 (the embeddings) to {top}: {spec.model} "
            f"has {top} blocks; leave `layer` out for the last"
        )


def depth_of(spec: ModelSpec) -> int | None:
    """Return the number of a model's blocks as its config.json says it; none where it does not, or is not here."""
    config = config_of(spec)
    parts = [config, config.get("text_config") or {}]
    return next((part[name] for part in parts for name in _DEPTHS if isinstance(part.get(name), int)), None)


def config_of(spec: ModelSpec) -> dict[str, Any]:
    """Return a model's config.json where it is on this machine; nothing is downloaded for it."""
    source = locate(spec)
    if source.gguf_file or source.kind == "features":
        return {}
    if source.kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source.place, "config.json", revision=source.revision)
        return json.loads(Path(found).read_text("utf-8")) if isinstance(found, str) else {}
    return json.loads((Path(source.place) / "config.json").read_text("utf-8"))
