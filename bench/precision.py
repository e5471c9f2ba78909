"""A probe on bf16 activations against the same probe on fp32 activations of SmolLM2: accuracy on the same items.

    .venv/bin/python bench/precision.py [--quick]

Needs the embedded assets. Goal: accuracies differ by at most 0.01 (single activations may differ much more). Where the
processor has no native bf16, which is 25 times slower than fp32 there, the same arithmetic is done in fp32 with weights
and the result of every operation rounded to bf16; norms and rotary angles stay in fp32, as in the model's own code.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from demo import device
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.models.activations import activations
from trimtab.models.load import forget, shared_backbone
from trimtab.models.precision import cpu_has_bf16
from trimtab.objectives.naive import Naive
from trimtab.supervise.gold import one_hot
from trimtab.tasks.movie_sentiment import MovieSentiment
from trimtab.types import Array, ModelSpec


class _Rounding(TorchDispatchMode):
    """Rounds the result of every operation to bf16, except while `exact` is above 0."""

    exact = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        return result if self.exact else tree_map(_rounded, result)


def _rounded(value: Any) -> Any:
    fits = isinstance(value, torch.Tensor) and value.dtype == torch.float32
    return value.bfloat16().float() if fits else value


@contextmanager
def bf16_arithmetic(spec: ModelSpec) -> Iterator[None]:
    """Have the kept model of an fp32 spec compute as it would in bf16."""
    forget()
    model, mode = shared_backbone(spec).model, _Rounding()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(_rounded(weight))

    def enter(*_: Any) -> None:
        mode.exact += 1

    def leave(_module: Any, _inputs: Any, output: Any) -> Any:
        mode.exact -= 1
        return tree_map(_rounded, output)

    for module in model.modules():
        if type(module).__name__.endswith(("RMSNorm", "RotaryEmbedding")):
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    with mode:
        yield
    forget()


def bf16_activations(spec: ModelSpec, texts: list[str], prompt: str) -> Array:
    """Return activations in bf16: native, or by rounding."""
    from dataclasses import replace

    if cpu_has_bf16():
        return activations(replace(spec, precision="bf16"), texts, prompt).values
    with bf16_arithmetic(spec):
        return activations(spec, texts, prompt).values


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="500 texts and the first 4 layers")
    quick = parser.parse_args().quick
    items = MovieSentiment().read()
    count, train = (500, 250) if quick else (3000, 1000)
    layer = 4 if quick else None
    rows = np.random.default_rng(0).permutation(len(items.ids))[:count]
    texts, gold = [items.texts[i] for i in rows], items.gold[rows]
    spec = ModelSpec("smollm2-135m", layer=layer, precision="fp32")
    values = {"fp32": activations(spec, texts, items.prompt).values}
    values["bf16"] = bf16_activations(spec, texts, items.prompt)
    accuracy = {}
    for name, found in values.items():
        head = fit_probe(found[:train], one_hot(gold[:train], 2), np.ones(train), Naive(), 1.0, Probe()).head
        accuracy[name] = float((head.probabilities(found[train:]).argmax(1) == gold[train:]).mean())
        print(f"{name}: accuracy {accuracy[name]:.4f} on {count - train} items")
    distance = np.abs(values["fp32"] - values["bf16"])
    print(f"one activation: largest difference {distance.max():.3f}, mean {distance.mean():.4f}, "
          f"mean size {np.abs(values['fp32']).mean():.3f}")  # fmt: skip
    moved = abs(accuracy["bf16"] - accuracy["fp32"])
    how = "native" if cpu_has_bf16() else "rounded in fp32"
    print(json.dumps({"bench": "precision", "value": round(moved, 4), "goal": 0.01, "met": moved <= 0.01, "bf16": how,
                      "device": device()}))  # fmt: skip


if __name__ == "__main__":
    main()
