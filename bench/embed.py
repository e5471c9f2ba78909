"""Embedding texts of mixed lengths against the matrix products alone that SmolLM2 does for their tokens.

    .venv/bin/python bench/embed.py [--quick]

The limit is measured in the same run: every linear layer once per block on the real tokens, without padding, attention,
norms or anything else. Value: limit / embedding, the smallest over the modes that are goals here: 0.8 in fp32 eager and
in compiled bf16, 0.7 in bf16 eager. Compile time is printed apart. The two sides take turns at slices of 64 texts, so
that a machine which others share is as fast for the one as for the other.

Where bf16 is not native, the processor emulates it, several times slower than fp32, on both sides alike. Its modes are
then measured on fewer texts and named under `emulated`: they hold for such a processor and say little of another.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from demo import device

from trimtab.models.activations import activations
from trimtab.models.load import forget, shared_backbone
from trimtab.models.precision import cpu_has_bf16
from trimtab.models.text import encode
from trimtab.tasks.movie_sentiment import MovieSentiment
from trimtab.types import ModelSpec

SLICE, REPETITIONS = 64, 3
MODES = {"fp32 eager": ("fp32", False, 0.8), "bf16 eager": ("bf16", False, 0.7), "bf16 compiled": ("bf16", True, 0.8)}


def timed(act: Callable[[], Any]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def matrix_products_s(spec: ModelSpec, tokens: int) -> float:
    """Return the seconds that the linear layers alone take for so many tokens, in batches of the spec's budget."""
    model = shared_backbone(spec).model
    unused = f"layers.{spec.layer}."  # an early exit keeps the block above it, to stop there
    layers = [one for name, one in model.named_modules() if isinstance(one, torch.nn.Linear) and unused not in name]
    widths = {layer.in_features for layer in layers}
    size = spec.batch_tokens
    filled = {width: torch.randn(size, width, dtype=layers[0].weight.dtype) for width in widths}
    with torch.inference_mode():
        for layer in layers:
            layer(filled[layer.in_features][:64])
        began = time.perf_counter()
        for start in range(0, tokens, size):
            rows = min(size, tokens - start)
            for layer in layers:
                layer(filled[layer.in_features][:rows])
    return time.perf_counter() - began


def ratio(mode: str, quick: bool) -> float:
    """Measure one mode; return how much of the products' rate the embedding reaches."""
    precision, compiled, goal = MODES[mode]
    native = precision == "fp32" or cpu_has_bf16()
    count = (48 if native else 8) if quick else (512 if native else 64)
    items = MovieSentiment().read()
    chosen = np.random.default_rng(0).permutation(len(items.ids))[:count]
    texts = sorted((items.texts[i] for i in chosen), key=len, reverse=True)
    spec = ModelSpec("smollm2-135m", layer=3 if quick else None, precision=precision, compile=compiled)
    forget()
    first_s = timed(partial(activations, spec, texts, items.prompt))  # loads, and compiles where asked to
    tokenizer = shared_backbone(spec).tokenizer
    slices = [texts[i : i + SLICE] for i in range(0, len(texts), SLICE)]
    tokens_of = [encode(tokenizer, one, items.prompt, spec.max_tokens).tokens for one in slices]
    ours, limit = [], []
    for _ in range(REPETITIONS):
        took = [
            (timed(partial(activations, spec, one, items.prompt)), matrix_products_s(spec, tokens))
            for one, tokens in zip(slices, tokens_of, strict=True)
        ]
        ours.append(sum(one for one, _ in took))
        limit.append(sum(one for _, one in took))
    found = round(median(products / mine for products, mine in zip(limit, ours, strict=True)), 3)
    print(
        f"{mode}: embedding {' '.join(f'{one:.2f}' for one in ours)} s ({sum(tokens_of) / median(ours):,.0f} tokens/s),"
        f" products {' '.join(f'{one:.2f}' for one in limit)} s, ratio {found:.3f} (goal {goal}); "
        f"loading and first pass {first_s:.1f} s",
        flush=True,
    )
    return found


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="64 texts, the first 6 blocks")
    quick = parser.parse_args().quick
    ratios = {mode: ratio(mode, quick) for mode in MODES}
    met = all(ratios[mode] >= goal for mode, (_, _, goal) in MODES.items())
    worst = min(ratios, key=lambda mode: ratios[mode] / MODES[mode][2])
    emulated = [] if cpu_has_bf16() else [mode for mode, (precision, _, _) in MODES.items() if precision == "bf16"]
    record = {"bench": "embed", "value": round(ratios[worst], 3), "goal": MODES[worst][2], "met": met, "mode": worst}
    print(json.dumps(record | {"ratios": ratios, "emulated": emulated, "device": device()}))


if __name__ == "__main__":
    main()
