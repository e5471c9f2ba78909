"""A complete study in seconds: a made-up review table, two tiny random models, all controls."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import save, tiny_bert, tiny_llama

GOOD, BAD = ("good", "great", "fun", "positive"), ("bad", "awful", "dull", "negative")
FILLER = ("the", "a", "film", "movie", "is", "was", "very", "plot", "acting", "and", "but", "review", "this", "that")


def write_reviews(path: Path, items: int = 400, seed: int = 0) -> Path:
    """Write a CSV of short reviews with columns text, label, group; two words of opinion, sometimes at odds."""
    generator = np.random.default_rng(seed)
    rows = []
    for i in range(items):
        label = int(generator.integers(2))
        words = list(generator.choice(FILLER, 6, replace=False))
        for _ in range(3):
            agrees = generator.random() < 0.8
            words.insert(int(generator.integers(len(words))), str(generator.choice(GOOD if label == agrees else BAD)))
        rows.append({"id": f"r{i:04d}", "text": " ".join(words), "label": ("bad", "good")[label]})
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["id", "text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_models(folder: Path) -> tuple[Path, Path]:
    """Save a one-layer encoder (weak) and a three-layer causal model (strong) with fixed random weights."""
    torch.manual_seed(7)
    weak = save(tiny_bert(1), folder / "weak", encoder=True)
    strong = save(tiny_llama(3), folder / "strong", encoder=False)
    return weak, strong


def study(folder: Path, seeds: tuple[int, ...] = (0, 1), items: int = 400, **changes: Any) -> dict[str, Any]:
    """Write data and models into `folder` and return the experiment's values; `changes` replace keys."""
    folder.mkdir(parents=True, exist_ok=True)
    data = write_reviews(folder / "reviews.csv", items)
    weak, strong = write_models(folder)
    fit = {"kind": "probe", "strengths": [0.01, 0.1, 1.0], "steps": 40}
    values: dict[str, Any] = {
        "name": "tiny",
        "task": {
            "kind": "file",
            "path": str(data),
            "id": "id",
            "classes": ["bad", "good"],
            "prompt": "review : {text} answer :",
            "supervisor": 60,
            "transfer": 100,
            "test": 80,
        },
        "split": {"pool": 300},
        "weak": [{"model": str(weak), "layer": 0, "max_tokens": 5, "fit": fit}],
        "strong": [{"model": str(strong), "layer": 0, "pooling": "mean", "fit": fit}],
        "methods": [
            "naive",
            {"confidence": {"alpha": 0.5}},
            {"name": "confident-half", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"},
        ],
        "seeds": list(seeds),
    }
    return values | changes
