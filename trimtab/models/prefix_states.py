"""Hidden states of all tokens of all texts on disk: shards that are mapped into memory, and where each text lies.

states-00000.safetensors ..   one matrix tokens x hidden each, texts one after the other, longest first
index.safetensors             per text, in the order of the data: shard, first row, number of rows
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.load import Backbone
from trimtab.models.prefix import Cut, lower_states
from trimtab.types import Progress, silent

INDEX = "index.safetensors"
_SHARD_BYTES = 64_000_000


def shard_name(number: int) -> str:
    """Return a shard's file name.

    >>> shard_name(3)
    'states-00003.safetensors'
    """
    return f"states-{number:05d}.safetensors"


def shards_of(lengths: Sequence[int], row_bytes: int, shard_bytes: int = _SHARD_BYTES) -> list[list[int]]:
    """Return the items of each shard: longest first, at most `shard_bytes` (one item at the least).

    >>> shards_of([2, 5, 1], 10, 60)
    [[1], [0, 2]]
    """
    shards: list[list[int]] = []
    filled = 0
    for item in by_length([range(length) for length in lengths]):
        filled += lengths[item] * row_bytes
        if not shards or filled > shard_bytes:
            shards.append([])
            filled = lengths[item] * row_bytes
        shards[-1].append(item)
    return shards


def states_of(
    backbone: Backbone,
    cut: Cut,
    bf16: bool,
    ids: Sequence[Sequence[int]],
    batch_tokens: int,
    progress: Progress = silent,
) -> Float[Tensor, "tokens hidden"]:
    """Return the states of some texts, one after the other."""
    lengths = [len(tokens) for tokens in ids]
    parts: list[Tensor] = []
    done = tokens = 0
    with torch.inference_mode():
        for batch in token_batches(range(len(ids)), lengths, batch_tokens):
            filled, mask = pad([ids[item] for item in batch], backbone.pad_id, backbone.pads_left)
            found = lower_states(backbone, cut, filled.to(backbone.device), mask.to(backbone.device), bf16)
            parts.append(found.cpu()[mask.bool()])
            done, tokens = done + len(batch), tokens + sum(lengths[item] for item in batch)
            progress(done, len(ids), tokens=tokens)
    return torch.cat(parts)


def write_shard(file: Path, states: Float[Tensor, "tokens hidden"], made_from: str) -> None:
    """Write a shard under a temporary name, then rename: a file that exists is whole, and a failed one leaves none."""
    from safetensors.torch import save

    temporary = file.with_name(f"{file.name}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(save({"states": states.contiguous()}, {"from": made_from}))
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def is_made_from(file: Path, made_from: str) -> bool:
    """Say whether a shard is there and was computed from this."""
    from safetensors import safe_open

    if not file.is_file():
        return False
    with safe_open(file, framework="pt") as opened:
        return (opened.metadata() or {}).get("from") == made_from


def write_index(file: Path, shards: Sequence[Sequence[int]], lengths: Sequence[int]) -> None:
    """Write where each text lies."""
    from safetensors.torch import save

    place = torch.zeros((len(lengths), 3), dtype=torch.int64)
    for number, items in enumerate(shards):
        row = 0
        for item in items:
            place[item] = torch.tensor([number, row, lengths[item]])
            row += lengths[item]
    file.write_bytes(save({"place": place}))


class StoredStates:
    """The states of some texts of a folder, read from the mapped shards when they are asked for."""

    def __init__(self, folder: Path, rows: Sequence[int] | None = None) -> None:
        """Choose the texts at `rows` of the index, none = all."""
        from safetensors.torch import load_file

        place: Int[Tensor, "items 3"] = load_file(folder / INDEX)["place"]
        self._place = place if rows is None else place[list(rows)]
        self._folder = folder
        self._shards: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._place)

    def chosen(self, rows: Sequence[int]) -> StoredStates:
        """Return some of these texts, in another order."""
        other = StoredStates.__new__(StoredStates)
        other._place, other._folder, other._shards = self._place[list(rows)], self._folder, self._shards
        return other

    def lengths(self) -> list[int]:
        """Return the number of tokens of each text."""
        return self._place[:, 2].tolist()

    def __getitem__(self, item: int) -> Float[Tensor, "tokens hidden"]:
        from safetensors import safe_open

        number, row, length = self._place[item].tolist()
        if number not in self._shards:
            with safe_open(self._folder / shard_name(number), framework="pt") as opened:
                self._shards[number] = opened.get_tensor("states")
        return self._shards[number][row : row + length]

    def padded(self, items: Sequence[int], left: bool) -> Float[Tensor, "items tokens hidden"]:
        """Return the states of several texts filled up with zeros to the longest."""
        found = [self[item] for item in items]
        width = max(len(one) for one in found)
        filled = found[0].new_zeros((len(found), width, found[0].shape[1]))
        for row, one in enumerate(found):
            filled[row, slice(width - len(one), width) if left else slice(0, len(one))] = one
        return filled
