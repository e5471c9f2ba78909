"""Chunk-level beam search CBS(4, 4, 5) against the same search without kept keys and values, and decoding against the
matrix products alone.

    .venv/bin/python bench/search.py [--quick]

Base: SmolLM2-135M in fp32; prompts: beginnings of movie snippets. The guide pair is made here: "untuned" is SmolLM2's
first four blocks with its own head, "tuned" the same with noise on its weights; what they prefer means nothing, what
they cost is a small pair's cost. Sides, in turn, three times, all with the same models, prompts, random numbers and
precision, and with the same tokens, or the bench fails:

    ours      all prompts in one batch, only new tokens run
    plain     `plain_search.py`, one prompt at a time: ours shall answer 4 times as many prompts per minute
    batched   `plain_search.py`, all prompts in one batch: 1.3 times as many

Decoding: tokens per second of plain sampling behind short prompts against all linear layers of as many steps, the head
over the vocabulary included, without anything else; the two take turns at 4 steps. Goal 0.6 in fp32 at 16 and 128 rows.
bf16 is shown, too; where the processor emulates it, it holds for such a processor.

--quick is the same on short answers and few blocks, where little is read again: its ratios are smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
from demo import device
from plain_search import PlainSearch
from torch import nn

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam
from trimtab.decode.draws import table
from trimtab.decode.language_model import LanguageModel, language_model
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.sequences import Sequences
from trimtab.decode.write import write
from trimtab.models.precision import cpu_has_bf16
from trimtab.models.quiet import quiet
from trimtab.tasks.movie_sentiment import MovieSentiment
from trimtab.types import ModelSpec

REPETITIONS, STEPS = 3, 4
GOALS = {"plain": 4.0, "batched": 1.3, "decode fp32 16": 0.6, "decode fp32 128": 0.6}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    prompts: int = 8
    tokens: int = 32
    blocks: int = 30
    """Blocks of the base model."""
    guide_blocks: int = 4
    slices: int = 8
    """Of 4 steps each, per repetition and number of rows."""


def cut(model: LanguageModel, blocks: int, folder: Path, noise: float = 0.0) -> str:
    """Save the first blocks of a model with its norm and head, each weight times 1 + noise; return the folder."""
    found = deepcopy(model.model)
    found.model.layers = found.model.layers[:blocks]
    found.config.num_hidden_layers = blocks
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in found.parameters() if noise else ():
            weight.mul_(1 + noise * torch.randn(weight.shape, generator=generator))
    with quiet():
        found.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
    return str(folder)


def loaded(name: str, precision: Literal["fp32", "bf16"] = "fp32") -> LanguageModel:
    """Return a model of an asset or a folder."""
    return language_model(ModelSpec(name, precision=precision))


def beginnings(count: int) -> list[Prompt]:
    """Return the first 4 to 16 words of so many movie snippets."""
    texts, draw = MovieSentiment().read().texts, np.random.default_rng(0)
    chosen = [texts[i].split() for i in draw.permutation(len(texts))]
    long = [words for words in chosen if len(words) > 16][:count]
    return [Prompt(str(i), " ".join(words[: draw.integers(4, 17)])) for i, words in enumerate(long)]


def search_ratios(base: LanguageModel, tuned: LanguageModel, untuned: LanguageModel, size: Size) -> dict[str, float]:
    """Measure the three sides in turn; return how many times longer the plain ones take. Raises where tokens differ."""
    prompts = beginnings(size.prompts)
    ids, names = [base.prompt_ids(one.text, "plain") for one in prompts], [one.id for one in prompts]
    plain = PlainSearch(base.model, tuned.model, untuned.model, base.end_ids, base.pad_id, 4, 4, 5, size.tokens)
    pair, method = LogRatio(tuned, untuned, base, "plain"), ChunkBeam(4, 4, 5, max_new_tokens=size.tokens)
    computed = Compute()

    def ours() -> list[Any]:
        return [one.answer.ids for one in method(LocalBase(base), pair, prompts, 0, computed)]

    sides: dict[str, Callable[[], list[Any]]] = {
        "ours": ours,
        "plain": lambda: [plain([one], [name])[0] for one, name in zip(ids, names, strict=True)],
        "batched": lambda: plain(ids, names),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, list[Any]] = {}
    for _ in range(REPETITIONS):
        for name, side in sides.items():
            began = time.perf_counter()
            found[name] = side()
            seconds[name].append(time.perf_counter() - began)
        if not found["ours"] == found["plain"] == found["batched"]:
            raise AssertionError(f"the sides wrote different tokens: {found}")
    for name, took in seconds.items():
        rate = 60 * len(prompts) / median(took)
        print(f"{name}: {' '.join(f'{one:.2f}' for one in took)} s, {rate:.1f} prompts/min", flush=True)
    words, written = sum(map(len, ids)), sum(map(len, found["ours"]))
    ran = ", ".join(f"{role} {count // REPETITIONS:,}" for role, count in computed.tokens.items())
    print(f"{len(ids)} prompts of {words} tokens; best answers of {written}, the same on all sides; ours ran {ran}")
    return {
        name: median(other / mine for other, mine in zip(seconds[name], seconds["ours"], strict=True))
        for name in ("plain", "batched")
    }


def products_s(layers: Sequence[nn.Linear], filled: dict[int, Any], steps: int) -> float:
    """Return the seconds that the linear layers alone take for so many steps."""
    began = time.perf_counter()
    with torch.inference_mode():
        for _ in range(steps):
            for layer in layers:
                layer(filled[layer.in_features])
    return time.perf_counter() - began


def decode_ratio(model: LanguageModel, rows: int, slices: int, label: str) -> float:
    """Return how much of the rate of its matrix products sampling reaches, with so many rows."""
    prompts = beginnings(rows)
    ids = [model.prompt_ids(one.text, "plain") for one in prompts]
    layers = [one for one in model.model.modules() if isinstance(one, nn.Linear)]
    filled = {one.in_features: torch.randn(rows, one.in_features, dtype=one.weight.dtype) for one in layers}
    numbers = table(0, [one.id for one in prompts], [0] * rows, slices * STEPS)
    ours, limit = [], []
    for _ in range(REPETITIONS):
        writer = Sequences(model, ids, Compute(), "base")
        decoding = products = 0.0
        for start in range(0, slices * STEPS, STEPS):
            began = time.perf_counter()
            write(writer, numbers[:, start : start + STEPS], Sampling(), ())  # no token ends: all rows stay
            decoding += time.perf_counter() - began
            products += products_s(layers, filled, STEPS)
        ours.append(decoding)
        limit.append(products)
    written = rows * slices * STEPS
    found = median(one / mine for one, mine in zip(limit, ours, strict=True))
    print(
        f"{label} {rows} rows: decoding {' '.join(f'{one:.2f}' for one in ours)} s "
        f"({written / median(ours):,.0f} tokens/s), products {' '.join(f'{one:.2f}' for one in limit)} s "
        f"({written / median(limit):,.0f} tokens/s), ratio {found:.3f}",
        flush=True,
    )
    return found


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="2 prompts, 12 tokens, the first 6 blocks")
    quick = parser.parse_args().quick
    size = Size(prompts=2, tokens=12, blocks=6, guide_blocks=1, slices=1) if quick else Size()
    whole = loaded("smollm2-135m")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        name = cut(whole, size.blocks, place / "base") if quick else "smollm2-135m"
        untuned = loaded(cut(whole, size.guide_blocks, place / "untuned"))
        tuned = loaded(cut(whole, size.guide_blocks, place / "tuned", noise=0.05))
        base = loaded(name)
        ratios = search_ratios(base, tuned, untuned, size)
        for rows in (16, 128):
            ratios[f"decode fp32 {rows}"] = decode_ratio(base, rows, size.slices, "fp32")
        coarse = loaded(name, "bf16")
        for rows in (16, 128) if cpu_has_bf16() else (16,):
            ratios[f"decode bf16 {rows}"] = decode_ratio(coarse, rows, size.slices if cpu_has_bf16() else 1, "bf16")
    ratios = {name: round(one, 3) for name, one in ratios.items()}
    reached = {name: ratios[name] >= goal for name, goal in GOALS.items()}
    print(f"load {os.getloadavg()[0]:.1f}")
    record = {"bench": "search", "value": ratios["plain"], "goal": GOALS["plain"], "met": all(reached.values())}
    emulated = [] if cpu_has_bf16() else ["decode bf16 16"]
    print(json.dumps(record | {"ratios": ratios, "goals": GOALS, "reached": reached, "emulated": emulated,
                               "device": device()}))  # fmt: skip


if __name__ == "__main__":
    main()
