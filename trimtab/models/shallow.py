"""A shallow cut of a causal model: embeddings, lowest blocks, last norm and head, as a model of its own.

What a cut says before it is tuned is poor: its head was made for the states of the last block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trimtab.errors import ModelError
from trimtab.models.load import is_causal, load_config, load_tokenizer, load_weights
from trimtab.models.source import locate
from trimtab.types import ModelSpec

_PER_BLOCK = ("layer_types",)
"""Lists of a configuration that have one entry per block."""
_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def shallow(spec: ModelSpec, blocks: int) -> tuple[Any, Any]:
    """Return a causal model with the lowest `blocks` blocks of another one in float32, and its tokenizer.

    Raises ModelError where the model is not causal, or has no list of that many blocks.
    """
    from transformers import AutoModelForCausalLM

    source = locate(spec)
    config = load_config(source, spec.trust_remote_code)
    if not is_causal(config):
        raise ModelError(f"{spec.model} is an encoder, which writes nothing; wanted a causal language model")
    model = load_weights(AutoModelForCausalLM, source, config, torch.float32, spec.trust_remote_code)
    depth = model.config.get_text_config().num_hidden_layers
    if not 1 <= blocks <= depth:
        raise ModelError(f"blocks is {blocks}; {spec.model} has {depth} blocks, so wanted 1 to {depth}")
    lists = [one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) == depth]
    if len(lists) != 1:
        raise ModelError(f"{type(model).__name__} has {len(lists)} lists of {depth} blocks; wanted one, to cut it")
    del lists[0][blocks:]
    _shorten(model.config.get_text_config(), blocks)
    vars(model.config).pop("quantization_config", None)  # of a GGUF file, whose weights are whole numbers no more
    return model, load_tokenizer(source, spec.trust_remote_code)


def _shorten(config: Any, blocks: int) -> None:
    for name in _PER_BLOCK:
        if getattr(config, name, None):
            setattr(config, name, list(getattr(config, name))[:blocks])
    for name in _DEPTHS:
        if name in vars(config):
            setattr(config, name, blocks)
