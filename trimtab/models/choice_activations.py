"""Hidden states of texts that begin alike in sets: a question with each of its choices.

Where a causal model's last token is read, the tokens that an item's choices have in common are run once for all of them
(`shared_prompt.py`). It is checked on one item that this gives the same; where it does not, every text is run whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from trimtab.models.activations import Activations, activations, run_texts
from trimtab.models.load import Backbone, shared_backbone
from trimtab.models.precision import resolved_precision
from trimtab.models.shards import fingerprint_of, read_shard, write_shard
from trimtab.models.shared_prompt import LEAST_TOKENS, begun, common_beginning, shared_prompt
from trimtab.models.source import fingerprint
from trimtab.models.text import encode, pooling_of, template_of
from trimtab.types import Array, ModelSpec, Progress, silent

_SHARD_ITEMS = 32


def choice_activations(
    spec: ModelSpec,
    choices: Sequence[Sequence[str]],
    prompt: str,
    progress: Progress = silent,
    work: Path | None = None,
) -> Activations:
    """Return the pooled state of every text of every set, one set after the other, as `activations` would.

    Raises what `activations` raises.
    """
    texts = [text for its in choices for text in its]
    backbone = shared_backbone(spec)
    template = template_of(spec, prompt, backbone.causal)
    encoded = encode(backbone.tokenizer, texts, template, min(spec.max_tokens, backbone.context), spec.cut)
    ends = np.cumsum([len(its) for its in choices]).tolist()
    items = [encoded.ids[end - len(its) : end] for its, end in zip(choices, ends, strict=True)]
    if not _can_share(spec, backbone, items):
        return activations(spec, texts, prompt, progress, work)
    values: list[Array] = []
    done = tokens = 0
    progress(0, len(texts))
    for number, start in enumerate(range(0, len(items), _SHARD_ITEMS)):
        shard = items[start : start + _SHARD_ITEMS]
        values.append(_shard(spec, backbone, shard, work, number))
        done, tokens = done + sum(map(len, shard)), tokens + sum(map(_run_tokens, shard))
        progress(done, len(texts), tokens=tokens)
    return Activations(np.concatenate(values), encoded.truncated, encoded.tokens)


def _can_share(spec: ModelSpec, backbone: Backbone, items: Sequence[list[list[int]]]) -> bool:
    """Say whether some item's choices begin alike for long enough, and this model gives the same when they share it."""
    first = next((ids for ids in items if common_beginning(ids) >= LEAST_TOKENS), None)
    return first is not None and shared_prompt(backbone, first, pooling_of(spec, backbone.causal)) is not None


def _run_tokens(ids: list[list[int]]) -> int:
    """Return how many tokens of an item go through the model."""
    shared = common_beginning(ids)
    saved = shared * (len(ids) - 1) if shared >= LEAST_TOKENS else 0
    return sum(map(len, ids)) - saved


def _shard(
    spec: ModelSpec, backbone: Backbone, items: Sequence[list[list[int]]], work: Path | None, number: int
) -> Array:
    """Return the vectors of some items' choices, from `work` if they are there."""
    run = partial(_run, spec, backbone, items)
    if work is None:
        return run()
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"choices-{number:05d}.safetensors"
    made_from = fingerprint_of(asdict(spec), fingerprint(spec), resolved_precision(spec), items)
    found = read_shard(file, made_from)
    if found is None:
        found = {"values": run()}
        write_shard(file, found, made_from)
    return found["values"]


def _run(spec: ModelSpec, backbone: Backbone, items: Sequence[list[list[int]]]) -> Array:
    found = []
    for ids in items:
        shared = common_beginning(ids)
        beginning = begun(backbone.model, ids[0][:shared]) if shared >= LEAST_TOKENS else None
        found.append(run_texts(spec, backbone, ids, beginning, lambda done, tokens: None))
    return np.concatenate(found)
