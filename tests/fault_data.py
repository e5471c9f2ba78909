"""The data of the fault study: reviews, with ratings or levels if asked for, pairs of them, and questions."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.experiment import Experiment
from trimtab.tasks.file import File
from trimtab.types import Items


def write_fault_study(folder: Path) -> Path:
    """Write the study's reviews and its two models into a folder and return it."""
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq
    from tiny_models import tiny_causal, tiny_encoder
    from tiny_study import write_reviews

    tiny_encoder(folder / "weak")
    tiny_causal(folder / "strong")
    write_reviews(folder / "reviews.csv", items=700)
    reviews = pa_csv.read_csv(folder / "reviews.csv")
    pq.write_table(reviews, folder / "reviews.parquet", row_group_size=100)
    _write_pairs(folder / "pairs.jsonl", reviews.to_pylist(), slice(0, 150))
    _write_pairs(folder / "second.jsonl", reviews.to_pylist(), slice(150, 250))
    _write_choices(folder / "choices.jsonl", reviews.to_pylist())
    return folder


def _write_pairs(path: Path, reviews: list[dict[str, Any]], some: slice) -> None:
    """Write pairs of a good and a bad review."""
    good, bad = ([one["text"] for one in reviews if one["label"] == label] for label in ("good", "bad"))
    rows = [{"chosen": better, "rejected": worse} for better, worse in zip(good[some], bad[some], strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _write_choices(path: Path, reviews: list[dict[str, Any]]) -> None:
    """Write questions of one good review among one to three bad ones."""
    good, bad = ([one["text"] for one in reviews if one["label"] == label] for label in ("good", "bad"))
    bad = list(dict.fromkeys(bad))
    rows = [
        {"question": f"review {i} :", "choices": [better, *bad[3 * i : 3 * i + 1 + i % 3]], "answer": 0}
        for i, better in enumerate(good[:100])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@dataclass(frozen=True)
class RatedReviews(File):
    """Reviews with three ratings each, which are right two times out of three."""

    def read(self) -> Items:
        """Return the items with ratings that gold was not made of."""
        items = super().read()
        held = tuple((2.0 * y - 1, 2.0 * y - 1, 1.0 - 2 * y) for y in items.gold.tolist())
        return replace(items, held_ratings=held)


@dataclass(frozen=True)
class LevelledReviews(File):
    """Reviews of three levels."""

    def read(self) -> Items:
        """Return the items with a level each."""
        items = super().read()
        return replace(items, slices={"level": np.arange(len(items.ids)) % 3.0})


def rated(experiment: Experiment) -> Experiment:
    """Return an experiment whose reviews have ratings."""
    task = experiment.task
    return replace(experiment, task=RatedReviews(**{one.name: getattr(task, one.name) for one in fields(task)}))


def by_level(experiment: Experiment) -> Experiment:
    """Return an experiment whose reviews have levels."""
    task = experiment.task
    return replace(experiment, task=LevelledReviews(**{one.name: getattr(task, one.name) for one in fields(task)}))
