"""Embedding texts of mixed lengths against the matrix products alone that SmolLM2 does for their tokens.

    .venv/bin/python bench/embed.py [--quick]

The limit is measured in the same run: every linear layer once per block on the real tokens, without padding, attention,
norms or anything else. Value: limit / embedding, the smallest over the modes that are goals here: 0.8 in fp32 eager and
in compiled bf16, 0.7 in bf16 eager. Compile time is printed apart. Where bf16 is not native (25 times slower than
fp32) its modes are not run, named as not measured, and the bench is not met.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import numpy as np
import torch
from demo import device

from trimtab.models.activations import activations
from trimtab.models.load import forget, shared_backbone
from trimtab.models.precision import cpu_has_bf16
from trimtab.models.text import encode
from trimtab.tasks.movie_sentiment import MovieSentiment
from trimtab.types import ModelSpec

MODES = {"fp32 eager": ("fp32", False, 0.8), "bf16 eager": ("bf16", False, 0.7), "bf16 compiled": ("bf16", True, 0.8)}


def matrix_products_s(spec: ModelSpec, tokens: int) -> float:
    """Return the seconds that the linear layers alone take for so many tokens, in batches of the spec's budget."""
    model = shared_backbone(spec).model
    layers = [one for one in model.modules() if isinstance(one, torch.nn.Linear)]
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


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="64 texts, the first 6 blocks")
    quick = parser.parse_args().quick
    count, repetitions = (64, 3) if quick else (512, 3)
    items = MovieSentiment().read()
    texts = [items.texts[i] for i in np.random.default_rng(0).permutation(len(items.ids))[:count]]
    ratios, goals = {}, {}
    measured = {mode: one for mode, one in MODES.items() if one[0] == "fp32" or cpu_has_bf16()}
    for mode, (precision, compiled, goal) in measured.items():
        spec = ModelSpec("smollm2-135m", layer=6 if quick else None, precision=precision, compile=compiled)
        forget()
        began = time.perf_counter()
        activations(spec, texts, items.prompt)  # loads, and compiles where asked to
        first_s = time.perf_counter() - began
        tokenizer = shared_backbone(spec).tokenizer
        tokens = encode(tokenizer, texts, items.prompt, spec.max_tokens).tokens
        ours, limit = [], []
        for _ in range(repetitions):
            began = time.perf_counter()
            activations(spec, texts, items.prompt)
            ours.append(time.perf_counter() - began)
            limit.append(matrix_products_s(spec, tokens))
        ratios[mode], goals[mode] = median(limit) / median(ours), goal
        print(
            f"{mode}: embedding {' '.join(f'{one:.2f}' for one in ours)} s ({tokens / median(ours):,.0f} tokens/s), "
            f"products {' '.join(f'{one:.2f}' for one in limit)} s, ratio {ratios[mode]:.2f} (goal {goal}); "
            f"loading and first pass {first_s:.1f} s"
        )
    met = measured == MODES and all(ratios[mode] >= goals[mode] for mode in MODES)
    worst = min(ratios, key=lambda mode: ratios[mode] / goals[mode])
    record = {"bench": "embed", "value": round(ratios[worst], 3), "goal": goals[worst], "met": met, "mode": worst}
    print(json.dumps(record | {"not_measured": sorted(set(MODES) - set(measured)), "device": device()}))


if __name__ == "__main__":
    main()
