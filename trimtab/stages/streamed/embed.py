"""Embed, streamed: one shard of activations per part, its texts sorted by length within it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.stages.embed import Embed, description
from trimtab.types import Progress


@dataclass(frozen=True)
class StreamedEmbed(Embed):
    """One activation per item, in shards."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `activations-NNNNN.safetensors` per part; goes on from the shards that are whole under `work`."""
        from trimtab.models.activations import activations
        from trimtab.models.shards import fingerprint_of, read_shard, write_shard
        from trimtab.stages.streamed.parts import read_part

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        items, total = inputs["data"] / "items.arrow", facts["test"] + facts["pool"]
        work.mkdir(parents=True, exist_ok=True)
        truncated = tokens = done = 0
        for part in range(facts["parts"]):
            (texts,) = read_part(items, part, "text")
            file = work / shard_name(part)
            made_from = fingerprint_of(self.digest, part)
            found = read_shard(file, made_from)
            if found is None:
                made = activations(self.spec, texts, facts["prompt"], _as_share(progress, done, total, tokens))
                found = {"activations": made.values, "counts": _counts(made.truncated, made.tokens)}
                write_shard(file, found, made_from)
            _hand_over(file, out / file.name)
            truncated, tokens = truncated + int(found["counts"][0]), tokens + int(found["counts"][1])
            done += len(texts)
            progress(done, total, tokens=tokens)
        told = {"model": self.spec.model, "truncated": truncated, "tokens": tokens}
        return told | {"description": description(self.spec, facts["prompt"])}


def shard_name(part: int) -> str:
    """Return the file name of a part's activations."""
    return f"activations-{part:05d}.safetensors"


def read_activations(folder: Path, part: int) -> Any:
    """Return the activations of one part, float32 [items, hidden]."""
    from safetensors.numpy import load_file

    return load_file(folder / shard_name(part))["activations"]


def _counts(truncated: int, tokens: int) -> Any:
    import numpy as np

    return np.array([truncated, tokens], np.int64)


def _as_share(progress: Progress, before: int, of_all: int, tokens_before: int) -> Progress:
    """Return a progress that tells what is done within one part as a share of all."""

    def told(done: int, total: int, *, tokens: int = 0) -> None:
        progress(before + done, of_all, tokens=tokens_before + tokens)

    return told


def _hand_over(file: Path, target: Path) -> None:
    """Give a shard to the artifact; where the disk can, `work` keeps it too until the artifact is finished."""
    try:
        os.link(file, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, target)
