"""Whether a model can continue a text, read from its config.json without torch or transformers."""

from __future__ import annotations

import json
from pathlib import Path

from trimtab.models.source import Source, hub_commit, locate
from trimtab.types import ModelSpec

_CAUSAL_HEADS = ("ForCausalLM", "LMHeadModel")


def has_language_head(spec: ModelSpec) -> bool:
    """Return whether the weights were saved with a causal language head, by the architectures that they name.

    Raises ModelError where the model cannot be found.
    """
    source = locate(spec)
    if source.gguf_file or source.kind == "features":
        return source.gguf_file is not None
    config = json.loads(_config_file(source).read_text("utf-8"))
    return any(name.endswith(_CAUSAL_HEADS) for name in config.get("architectures") or [])


def _config_file(source: Source) -> Path:
    if source.kind != "hub":
        return Path(source.place) / "config.json"
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(source.place, "config.json", revision=hub_commit(source)))
