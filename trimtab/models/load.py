"""Load a pretrained backbone and its tokenizer; the only place that keeps one between stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.models.last_token import last_feed_forward, only_last_token
from trimtab.models.layers import Reached, compile_blocks, cut_above, read_layer
from trimtab.models.memory import keep_freed_memory
from trimtab.models.positions import left_padding_positions, positions_of
from trimtab.models.precision import device_class, resolved_precision
from trimtab.models.quiet import quiet
from trimtab.models.source import Source, fingerprint, hub_commit, locate
from trimtab.types import ModelSpec

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Backbone:
    """A pretrained model up to the hidden state that is read, with its tokenizer."""

    model: Any
    tokenizer: Any
    causal: bool
    context: int
    """Longest input in tokens."""
    hidden: int
    """Width of the hidden state."""
    pad_id: int
    pads_left: bool
    own_positions: bool
    """Whether the model is told the positions of a batch that is padded on the left."""
    last_feed_forward: nn.Module | None
    """The part of the last block that may run for the last token alone where only that is read."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.model.parameters()).device

    def hidden_states(
        self, ids: Int[Tensor, "items tokens"], mask: Int[Tensor, "items tokens"]
    ) -> Float[Tensor, "items tokens hidden"]:
        """Return the hidden state that the spec asks for, in the model's precision."""
        inputs: dict[str, Tensor] = {"input_ids": ids}
        if not bool(mask.all()):
            inputs["attention_mask"] = mask
            if self.own_positions:
                inputs["position_ids"] = positions_of(mask)
        try:
            return self.model(**inputs).last_hidden_state
        except Reached as reached:
            return reached.hidden

    def reading(self, mask: Int[Tensor, "items tokens"], pooling: str) -> AbstractContextManager[None]:
        """Return the block of code in which hidden states are only right where this pooling reads them."""
        if pooling != "last" or self.last_feed_forward is None:
            return nullcontext()
        return only_last_token(self.last_feed_forward, mask)


def shared_backbone(spec: ModelSpec) -> Backbone:
    """Return the backbone of a spec, kept until another one is asked for; nobody may change its weights.

    Raises ModelError where it cannot be loaded.
    """
    return _kept(
        locate(spec),
        fingerprint(spec),
        spec.layer,
        resolved_precision(spec),
        spec.padding,
        spec.trust_remote_code,
        spec.compile,
    )


@lru_cache(maxsize=1)
def _kept(
    source: Source, digest: str, layer: int | None, precision: str, padding: str, trusted: bool, compiled: bool
) -> Backbone:
    backbone = _load(source, layer, precision, padding, trusted)
    if compiled:
        backbone.last_feed_forward = None  # what is compiled runs as it is
        compile_blocks(backbone.model, layer)
    return backbone


def own_backbone(spec: ModelSpec, precision: str | None = None) -> Backbone:
    """Return a backbone that belongs to the caller, who may train it.

    Raises ModelError where it cannot be loaded.
    """
    return _load(locate(spec), spec.layer, precision or resolved_precision(spec), spec.padding, spec.trust_remote_code)


def forget() -> None:
    """Drop the kept backbone and its memory."""
    _kept.cache_clear()


def _load(source: Source, layer: int | None, precision: str, padding: str, trusted: bool) -> Backbone:
    from transformers import AutoModel

    config = load_config(source, trusted)
    causal = is_causal(config)
    model = load_weights(AutoModel, source, config, _DTYPES[precision], trusted)
    tokenizer = load_tokenizer(source, trusted)
    pad_id = padding_id(tokenizer, config)
    # a cache of keys and values serves generation only
    model.config.use_cache = False
    own_positions = padding == "left" and left_padding_positions(model, pad_id)
    if layer is not None:
        blocks = read_layer(model, layer)
        if blocks is not None:
            cut_above(blocks, layer)
    return Backbone(
        model, tokenizer, causal, context_of(config, tokenizer), config.get_text_config().hidden_size, pad_id,
        padding == "left", own_positions, last_feed_forward(model, layer) if causal else None,
    )  # fmt: skip


def load_config(source: Source, trusted: bool) -> Any:
    """Return the configuration of a model. Raises ModelError where transformers cannot read it."""
    from transformers import AutoConfig

    with quiet(), _explained(source):
        return AutoConfig.from_pretrained(source.place, trust_remote_code=trusted, **_where(source))


def load_tokenizer(source: Source, trusted: bool) -> Any:
    """Return the tokenizer of a model. Raises ModelError where it is missing."""
    from transformers import AutoTokenizer

    with quiet(), _explained(source):
        return AutoTokenizer.from_pretrained(source.place, trust_remote_code=trusted, **_where(source))


def load_generation(source: Source) -> Any:
    """Return how a model's answers end and are drawn as its makers say, None where they say nothing."""
    from transformers import GenerationConfig

    try:
        with quiet():
            return GenerationConfig.from_pretrained(source.place, **_where(source))
    except OSError:
        return None  # generation_config.json is optional


def load_weights(kind: Any, source: Source, config: Any, dtype: torch.dtype, trusted: bool) -> Any:
    """Return a model in evaluation mode on its device; weights come from safetensors or GGUF only.

    Raises ModelError where weights are missing, pickled or of another architecture.
    """
    if device_class() == "cpu":
        keep_freed_memory()
    where = _where(source)
    if source.gguf_file is None:
        where |= {"use_safetensors": True, "config": config}
    with quiet(), _explained(source):
        model, report = kind.from_pretrained(
            source.place, dtype=dtype, trust_remote_code=trusted, output_loading_info=True, **where
        )
    # a pooler reads hidden states and never makes them; encoders are often published without one
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        wrong = missing or sorted(str(entry) for entry in report["mismatched_keys"])
        raise ModelError(
            f"{source.place}: {len(wrong)} weights of {type(model).__name__} are missing or of another shape, "
            f"first {wrong[0]}; the weights do not belong to this config.json"
        )
    return model.to(device_class()).eval()


def is_causal(config: Any) -> bool:
    """Return whether a model reads left to right (else: an encoder that sees the whole text).

    Raises ModelError for encoder-decoders and for models that are not language models.
    """
    from transformers.models.auto import modeling_auto

    if config.is_encoder_decoder:
        raise ModelError(f"{config.model_type} is an encoder-decoder; wanted a causal language model or an encoder")
    if config.model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return bool(getattr(config, "is_decoder", False))
    if config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return True
    remote = getattr(config, "auto_map", None) or {}
    if "AutoModelForCausalLM" in remote or "AutoModelForMaskedLM" in remote:
        return "AutoModelForCausalLM" in remote
    raise ModelError(f"{config.model_type} is not a language model; wanted a causal language model or an encoder")


def padding_id(tokenizer: Any, config: Any) -> int:
    """Return a token with which to fill batches; masks decide what is padding, so a real token may serve."""
    text = config.get_text_config()
    found = (tokenizer.pad_token_id, getattr(text, "pad_token_id", None), tokenizer.eos_token_id)
    return next((int(token) for token in found if token is not None and 0 <= token < text.vocab_size), 0)


def context_of(config: Any, tokenizer: Any) -> int:
    """Return the longest input in tokens that both model and tokenizer allow."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    # a tokenizer without a limit says so by a huge number
    return min(int(tokenizer.model_max_length), int(positions) if positions else 10**9)


def _where(source: Source) -> dict[str, Any]:
    if source.kind == "hub":
        return {"revision": hub_commit(source)}
    return {"gguf_file": source.gguf_file} if source.gguf_file else {}


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn what transformers says about unusable files into one ModelError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, SafetensorError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            f"the model in {source.place} cannot be loaded: {lines[0] if lines else type(error).__name__}. "
            "Wanted a causal language model or an encoder with safetensors (or GGUF) weights and a tokenizer"
        ) from error
