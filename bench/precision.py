"""A probe on bf16 activations against the same probe on fp32 activations of SmolLM2: accuracy on the same items.

    .venv/bin/python bench/precision.py [--quick]

Needs the embedded assets. Goal: accuracies differ by at most 0.01 (single activations may differ much more).
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from demo import device

from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.models.activations import activations
from trimtab.objectives.naive import Naive
from trimtab.supervise.gold import one_hot
from trimtab.tasks.movie_sentiment import MovieSentiment
from trimtab.types import ModelSpec


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="300 texts and the first 6 layers")
    quick = parser.parse_args().quick
    items = MovieSentiment().read()
    count, train = (300, 150) if quick else (3000, 1000)
    rows = np.random.default_rng(0).permutation(len(items.ids))[:count]
    texts, gold = [items.texts[i] for i in rows], items.gold[rows]
    values, accuracy = {}, {}
    for precision, padding in (("fp32", "right"), ("bf16", "right"), ("bf16", "left")):
        spec = ModelSpec("smollm2-135m", layer=6 if quick else None, precision=precision, padding=padding)
        found = activations(spec, texts, items.prompt).values
        labels = one_hot(gold[:train], 2)
        head = fit_probe(found[:train], labels, np.ones(train), Naive(), 1.0, Probe()).head
        right = head.probabilities(found[train:]).argmax(1) == gold[train:]
        values[precision, padding], accuracy[precision, padding] = found, float(right.mean())
        print(f"{precision}, {padding} padding: accuracy {right.mean():.4f} on {count - train} items")
    largest = np.abs(values["bf16", "right"] - values["bf16", "left"]).max()
    print(f"largest difference of one bf16 activation between paddings: {largest:.3f}")
    moved = max(abs(accuracy[key] - accuracy["fp32", "right"]) for key in accuracy)
    print(
        json.dumps(
            {"bench": "precision", "value": round(moved, 4), "goal": 0.01, "met": moved <= 0.01, "device": device()}
        )
    )


if __name__ == "__main__":
    main()
