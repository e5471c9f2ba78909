"""Prefix: run the layers that a fit leaves alone once over every text, and keep what enters the layers above.

All methods, seeds, ceilings and predictions of `fit: {kind: tune, layers: {top: k}}` share the result.

Whoever opens the artifact compares the checksum of each file with the manifest's, once per process and file; what is
damaged or gone is computed again from the texts and put in its place, and the manifest is told the new checksum where
another machine gives other last digits.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.digest import digest_of, file_digest
from trimtab.errors import StoreError
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

if TYPE_CHECKING:
    from trimtab.fit.lower_layers import LowerLayers
    from trimtab.models.prefix_states import StoredStates

DEFAULT_BUDGET_BYTES = 20_000_000_000
_VERIFIED: set[tuple[str, int, int]] = set()
"""Files whose checksum was right, by path, size and time of change."""


@dataclass(frozen=True)
class Prefix(Stage):
    """The hidden states that enter the top layers of a model, for every token of every text of a data set."""

    data: Stage
    spec: ModelSpec
    top: int
    """Layers above the stored states."""
    budget_gb: float | None = None
    """Most gigabytes; none is 20, or half of the free disk where that is less."""

    kind: ClassVar[str] = "prefix"
    elastic: ClassVar[bool] = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Model and cut; how a text's states are pooled comes later, and how much room there is decides nothing."""
        model = model_identity(self.spec)
        del model["pooling"]
        return {"model": model, "top": self.top}

    @property
    def title(self) -> str:
        return f"lower layers of {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    @property
    def model_key(self) -> str:
        return digest_of(model_identity(self.spec))

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the shards and their index; goes on from the shards that are whole under `work`."""
        from trimtab.models.prefix_states import INDEX, shard_name

        lower = _lower_layers(inputs["data"], self.spec, self.top)
        kept = sum(file.stat().st_size for file in work.glob("states-*.safetensors"))
        _refuse_beyond_budget(lower, self.budget_gb, shutil.disk_usage(work).free + kept)
        for stray in work.glob("*.tmp"):
            stray.unlink()
        difference = lower.check()
        lower.write(work, progress)
        lower.write_index(out / INDEX)
        for number in range(len(lower.shards)):
            _hand_over(work / shard_name(number), out / shard_name(number))
        return {
            "model": self.spec.model,
            "layer": lower.cut.first,
            "items": len(lower.lengths),
            "tokens": sum(lower.lengths),
            "truncated": lower.truncated,
            "bytes": lower.bytes,
            "shards": len(lower.shards),
            "largest_difference": difference,
        }


@dataclass(frozen=True)
class OpenedPrefix:
    """Stored states whose files are whole."""

    states: StoredStates
    recomputed: tuple[str, ...]
    """Files that were damaged or gone."""


def open_prefix(folder: Path, data: Path, spec: ModelSpec) -> OpenedPrefix:
    """Return the states of a prefix artifact, after every file's checksum was compared with the manifest's.

    Damaged files are computed again.
    """
    from trimtab.models.prefix_states import StoredStates

    damaged = _damaged(folder)
    if damaged:
        damaged = _recompute(folder, data, spec)
    return OpenedPrefix(StoredStates(folder), tuple(damaged))


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def _damaged(folder: Path) -> list[str]:
    """Return the names of files that are gone or have another checksum than the manifest says."""
    return [name for name, entry in _manifest(folder)["files"].items() if not _is_whole(folder / name, entry["sha256"])]


def _is_whole(file: Path, sha256: str) -> bool:
    if not file.is_file():
        return False
    stat = file.stat()
    known = (str(file), stat.st_size, stat.st_mtime_ns)
    if known not in _VERIFIED:
        if file_digest(file) != sha256:
            return False
        _VERIFIED.add(known)
    return True


def _recompute(folder: Path, data: Path, spec: ModelSpec) -> list[str]:
    """Compute damaged files again, one process at a time; return which."""
    from filelock import FileLock

    from trimtab.models.prefix_states import INDEX, shard_name
    from trimtab.store import write_json

    with FileLock(folder.with_name(f"{folder.name}.lock")):
        damaged = _damaged(folder)  # another process may have been faster
        manifest = _manifest(folder)
        lower = _lower_layers(data, spec, manifest["settings"]["top"])
        numbers = {shard_name(number): number for number in range(len(lower.shards))}
        for name in damaged:
            if name == INDEX:
                lower.write_index(folder / name)
            else:
                lower.write_shard(folder, numbers[name])
            manifest["files"][name]["sha256"] = file_digest(folder / name)
        write_json(folder / "manifest.json", manifest)
    return damaged


def _lower_layers(data: Path, spec: ModelSpec, top: int) -> LowerLayers:
    from trimtab.fit.lower_layers import lower_layers
    from trimtab.stages.reads import reads_of

    read = reads_of(data)
    return lower_layers(spec, read.texts, read.prompt, top)


def _refuse_beyond_budget(lower: LowerLayers, budget_gb: float | None, room_bytes: int) -> None:
    """Raise StoreError where the states would take more than they may, or than there is."""
    if budget_gb is None:
        budget, why = min((DEFAULT_BUDGET_BYTES, "the default"), (room_bytes // 2, "half of the free disk"))
    else:
        budget, why = min((int(budget_gb * 1e9), "prefix_budget_gb"), (room_bytes, "all of the free disk"))
    if lower.bytes > budget:
        raise StoreError(
            f"the hidden states of {len(lower.lengths):,} texts ({sum(lower.lengths):,} tokens) would take "
            f"{lower.bytes:,} bytes, and they may take {budget:,} ({why}). Ways out: fewer texts, a smaller "
            "`max_tokens`, `precision: bf16` instead of fp32, fewer models with `layers` at once, a larger "
            "`prefix_budget_gb` in `fit`, another disk with --store, or `prefix_cache: false`, which is slower"
        )


def _hand_over(file: Path, target: Path) -> None:
    """Give a shard to the artifact; where the disk can, `work` keeps it too until the artifact is finished."""
    try:
        os.link(file, target)
    except OSError:  # a file system without hard links; a full disk says so again
        file.replace(target)
