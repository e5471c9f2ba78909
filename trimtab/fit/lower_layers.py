"""The layers of a model that a fit leaves alone, run once over all texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trimtab.models.batches import by_length, pad
from trimtab.models.load import Backbone, shared_backbone
from trimtab.models.precision import resolved_precision
from trimtab.models.prefix import Cut, check_cut, find_cut
from trimtab.models.prefix_states import is_made_from, shard_name, shards_of, states_of, write_index, write_shard
from trimtab.models.shards import fingerprint_of
from trimtab.models.source import fingerprint
from trimtab.models.text import encode, template_of
from trimtab.types import ModelSpec, Progress, silent

_PROBE_TEXTS = 4


@dataclass(frozen=True)
class LowerLayers:
    """A model, where it is cut, and the texts that its lower layers read."""

    spec: ModelSpec
    backbone: Backbone
    cut: Cut
    ids: Sequence[Sequence[int]]
    truncated: int
    bf16: bool
    shards: Sequence[Sequence[int]]
    """Items of each shard."""

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [len(tokens) for tokens in self.ids]

    @property
    def bytes(self) -> int:
        """Size of all states on disk."""
        return sum(self.lengths) * _row_bytes(self.backbone, self.bf16)

    def check(self) -> float:
        """Compare cut and whole model on a few texts, the longest, the shortest and some between; return the largest
        difference.

        Raises ModelError where the model cannot be cut.
        """
        order = by_length(self.ids)
        count = min(_PROBE_TEXTS, len(order))
        chosen = [order[i * (len(order) - 1) // max(1, count - 1)] for i in range(count)]
        ids, mask = pad([self.ids[item] for item in chosen], self.backbone.pad_id, self.backbone.pads_left)
        device = self.backbone.device
        return check_cut(self.backbone, self.cut, ids.to(device), mask.to(device), self.bf16)

    def write(self, folder: Path, progress: Progress) -> None:
        """Write every shard that is not there yet."""
        total = len(self.ids)
        done = tokens = 0
        progress(0, total)
        for number, items in enumerate(self.shards):
            if not is_made_from(folder / shard_name(number), self._made_from(number)):
                self.write_shard(folder, number, _Within(progress, done, total, tokens))
            done, tokens = done + len(items), tokens + sum(len(self.ids[item]) for item in items)
            progress(done, total, tokens=tokens)

    def write_shard(self, folder: Path, number: int, progress: Progress = silent) -> None:
        """Compute and write one shard."""
        ids = [self.ids[item] for item in self.shards[number]]
        states = states_of(self.backbone, self.cut, self.bf16, ids, self.spec.batch_tokens, progress)
        write_shard(folder / shard_name(number), states, self._made_from(number))

    def write_index(self, file: Path) -> None:
        """Write where each text's states lie."""
        write_index(file, self.shards, self.lengths)

    def _made_from(self, number: int) -> str:
        spec = self.spec
        ids = [list(self.ids[item]) for item in self.shards[number]]
        read = (resolved_precision(spec), spec.padding, spec.batch_tokens, self.cut.first)
        return fingerprint_of(fingerprint(spec), read, ids)


@dataclass(frozen=True)
class _Within:
    """Tells what is done within one shard as a part of the whole."""

    progress: Progress
    done_before: int
    total: int
    tokens_before: int

    def __call__(self, done: int, total: int, *, tokens: int = 0) -> None:
        self.progress(self.done_before + done, self.total, tokens=self.tokens_before + tokens)


def lower_layers(spec: ModelSpec, texts: Sequence[str], prompt: str, top: int) -> LowerLayers:
    """Return the lower layers of a model and the texts that they read, encoded.

    Raises ModelError where the model cannot be loaded or has no such layers.
    """
    backbone = shared_backbone(replace(spec, compile=False))  # only whole passes are compiled
    template = template_of(spec, prompt, backbone.causal)
    encoded = encode(backbone.tokenizer, texts, template, min(spec.max_tokens, backbone.context), spec.cut)
    cut = find_cut(backbone, spec.layer, top)
    bf16 = resolved_precision(spec) == "bf16"
    shards = shards_of([len(tokens) for tokens in encoded.ids], _row_bytes(backbone, bf16))
    return LowerLayers(spec, backbone, cut, encoded.ids, encoded.truncated, bf16, shards)


def _row_bytes(backbone: Backbone, bf16: bool) -> int:
    return backbone.hidden * (torch.bfloat16 if bf16 else torch.float32).itemsize
