"""Hidden states of texts: the features of every probe, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.load import Backbone, shared_backbone
from trimtab.models.pooling import pool
from trimtab.models.precision import resolved_precision
from trimtab.models.shards import fingerprint_of, read_shard, write_shard
from trimtab.models.shared_prompt import SharedPrompt, shared_prompt
from trimtab.models.source import fingerprint
from trimtab.models.text import encode, pooling_of, template_of
from trimtab.types import Array, ModelSpec, Progress, silent

_SHARD_ITEMS = 256


@dataclass(frozen=True)
class Activations:
    """One vector per text, and what it took."""

    values: Float[Array, "items hidden"]
    """float32, in the order of the texts."""
    truncated: int
    """How many texts were cut at the end."""
    tokens: int
    """Tokens of all inputs: template and special tokens counted, padding not."""


def activations(
    spec: ModelSpec, texts: Sequence[str], prompt: str, progress: Progress = silent, work: Path | None = None
) -> Activations:
    """Return the hidden state of each text that the spec reads, pooled in float32.

    With `work`, every few hundred texts are kept there; a run that was stopped goes on from them and gives
    the same bits.

    Raises ModelError where the model cannot be loaded; UsageError where the template does not fit.
    """
    backbone = shared_backbone(spec)
    template = template_of(spec, prompt, backbone.causal)
    encoded = encode(backbone.tokenizer, texts, template, min(spec.max_tokens, backbone.context), spec.cut)
    shared = shared_prompt(backbone, encoded.ids, pooling_of(spec, backbone.causal))
    order = by_length(encoded.ids)
    values = np.zeros((len(texts), backbone.hidden), np.float32)
    done = tokens = 0
    progress(0, len(texts))
    for number, start in enumerate(range(0, len(order), _SHARD_ITEMS)):
        items = order[start : start + _SHARD_ITEMS]
        ids = [encoded.ids[item] for item in items]
        within = partial(_told_of_all, progress, done, len(texts), tokens)
        values[items] = _shard(spec, backbone, ids, shared, work, number, within)
        done, tokens = done + len(items), tokens + sum(map(len, ids))
        progress(done, len(texts), tokens=tokens)
    return Activations(values, encoded.truncated, encoded.tokens)


def _told_of_all(progress: Progress, before: int, total: int, tokens_before: int, done: int, tokens: int) -> None:
    """Tell what is done within one shard as a part of the whole."""
    progress(before + done, total, tokens=tokens_before + tokens)


def _shard(
    spec: ModelSpec,
    backbone: Backbone,
    ids: list[list[int]],
    shared: SharedPrompt | None,
    work: Path | None,
    number: int,
    progress: Callable[[int, int], None],
) -> Array:
    """Return the vectors of one shard, from `work` if they are there."""
    if work is None:
        return run_texts(spec, backbone, ids, shared, progress)
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"shard-{number:05d}.safetensors"
    made_from = fingerprint_of(
        asdict(spec), fingerprint(spec), resolved_precision(spec), ids, shared.tokens if shared else 0
    )
    found = read_shard(file, made_from)
    if found is None:
        found = {"values": run_texts(spec, backbone, ids, shared, progress)}
        write_shard(file, found, made_from)
    return found["values"]


def run_texts(
    spec: ModelSpec,
    backbone: Backbone,
    ids: list[list[int]],
    shared: SharedPrompt | None,
    progress: Callable[[int, int], None],
) -> Array:
    """Return the pooled state of each text in batches; `shared` is a beginning that all of them have in common."""
    pooling = pooling_of(spec, backbone.causal)
    values = np.zeros((len(ids), backbone.hidden), np.float32)
    begun = shared.tokens if shared else 0
    # batches are cut inside a shard, so that they do not depend on which shards were there already
    done = tokens = 0
    with torch.inference_mode():
        for batch in token_batches(range(len(ids)), [len(one) - begun for one in ids], spec.batch_tokens):
            filled, mask = pad([ids[item][begun:] for item in batch], backbone.pad_id, backbone.pads_left)
            filled, mask = filled.to(backbone.device), mask.to(backbone.device)
            run = partial(shared.hidden_states, backbone) if shared else backbone.hidden_states
            with backbone.reading(mask, pooling):
                values[batch] = pool(run(filled, mask), mask, pooling).cpu().numpy()
            done, tokens = done + len(batch), tokens + sum(len(ids[item]) for item in batch)
            progress(done, tokens)
    return values
