"""A grid of tuned students against the plain pipeline: 1 weak x 1 strong x 4 methods x 2 seeds, the top 6 of 30 layers.

    .venv/bin/python bench/grid_tune.py [--quick] [--train 128] [--test 96] [--every]

Plain is transformers' Trainer per run as one writes it by hand (bench/plain.py): a run trains its student and its
ceiling, with dynamic padding in random order, the frozen lower layers run every time, nothing shared between runs. It
is given the weak labels for nothing. Its 16 runs differ in length only by the items they keep: one of each length is
run and counts for all of them, unless `--every` is given. Ours is the whole study from an empty store: data, weak
supervisor, labels, hidden states, fits, predictions. Same precision (fp32), threads, settings and items per step.
Value: plain / ours, the median of three pairs in turn, and the same for full tuning. The accuracies of the students
must agree: the interval (95 %, over test items) of the paired difference lies inside 2 points.

The factors are measured on one student: training and prediction sorted by length alone, then with the hidden states.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from demo import device
from plain import PlainTuning, plain_predict, plain_tune
from transformers.utils import logging as transformers_logging

from trimtab import assets
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import parse
from trimtab.fit.predict_tuned import predict_tuned
from trimtab.fit.reading import Reading
from trimtab.fit.tune import Tuning, tune
from trimtab.models.load import forget
from trimtab.plan import Plan, plan
from trimtab.stages.label import LabelGold
from trimtab.stages.predict import PredictTuned
from trimtab.stages.tables import read_labels, read_predictions, read_table, rows_of
from trimtab.stages.train import TrainTune, texts_of
from trimtab.store import Store

GOALS = {"lora": 4.0, "full": 3.0}
METHODS = [
    "naive", {"name": "confidence-25", "objective": {"confidence": {"alpha": 0.25}}}, {"confidence": {"alpha": 0.5}},
    {"name": "confident-half", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"},
]  # fmt: skip
RATES = {"lora": 1e-3, "full": 5e-5}
REPETITIONS = 3


@dataclass(frozen=True)
class Size:
    """How large the grid is."""

    train: int
    test: int
    blocks: int
    top: int
    methods: int
    seeds: tuple[int, ...]


FULL = Size(train=128, test=96, blocks=30, top=6, methods=4, seeds=(0, 1))
"""About half an hour on two idle cores."""
QUICK = Size(train=16, test=8, blocks=8, top=2, methods=2, seeds=(0,))
"""Too small for a ratio that means anything: loading the models takes most of the time on both sides."""


def study(size: Size, kind: str) -> Plan:
    """Return the stages of the grid without the last one, which compares."""
    fit = {"kind": "tune", "method": kind, "layers": {"top": size.top}, "epochs": 1, "batch_size": 32,
           "learning_rate": RATES[kind]}  # fmt: skip
    layer = {} if size.blocks == FULL.blocks else {"layer": size.blocks}
    counts = {"supervisor": size.train, "transfer": size.train, "test": size.test}
    values = {
        "name": "grid-tune",
        "task": {"kind": "movie_sentiment", **counts},
        "split": {"pool": 2 * size.train + size.test},
        "weak": [{"model": "minilm-l6", "precision": "fp32", "fit": "probe"}],
        "strong": [{"model": "smollm2-135m", "precision": "fp32", "fit": fit, **layer}],
        "methods": METHODS if size.methods == len(METHODS) else [METHODS[0], METHODS[3]],
        "seeds": list(size.seeds),
        "controls": False,
    }  # fmt: skip
    return plan(parse(values, Path()))


def ours(grid: Plan, store: Store) -> float:
    """Run the study from an empty store; return the seconds."""
    forget()
    began = time.perf_counter()
    run_stages(grid.stages[:-1], store, 1, Quiet())
    return time.perf_counter() - began


def runs_of(grid: Plan) -> list[tuple[PredictTuned, PredictTuned]]:
    """Return the predictions of each student with those of the ceiling that a plain run would train beside it."""
    found = [one for one in grid.stages if isinstance(one, PredictTuned)]

    def fit(one: PredictTuned) -> TrainTune:
        assert isinstance(one.model, TrainTune)
        return one.model

    ceilings = {fit(one).seed: one for one in found if isinstance(fit(one).labels, LabelGold)}
    return [(one, ceilings[fit(one).seed]) for one in found if not isinstance(fit(one).labels, LabelGold)]


def job_of(size: Size, one: PredictTuned, store: Store) -> tuple[PlainTuning, str]:
    """Return a fit and its test as the plain pipeline takes them, and the prompt."""
    fit = one.model
    assert isinstance(fit, TrainTune)
    ids, texts, prompt = texts_of(store.folder("data", fit.data.digest))
    labels = read_labels(store.folder("label", fit.labels.digest))
    kept = np.flatnonzero(labels.weights > 0)
    membership = read_table(store.folder("split", one.split.digest) / "membership.parquet")
    test = [
        name for name, part in zip(*(membership[c].to_pylist() for c in ("id", "split")), strict=True) if part == "test"
    ]
    train = [texts[i] for i in rows_of(ids, [labels.ids[i] for i in kept])]
    tested = [texts[i] for i in rows_of(ids, test)]
    folder = str(assets.path("smollm2-135m"))
    given = labels.probabilities[kept]
    return PlainTuning(folder, size.blocks, train, given, tested, fit.objective, fit.fit, fit.seed), prompt


def plain(size: Size, grid: Plan, store: Store, every: bool) -> tuple[float, dict[PredictTuned, np.ndarray]]:
    """Run the plain pipeline; return the seconds and each student's probabilities of the test items.

    Not `every`: one fit of each number of items is run, and counts as often as there are such fits.
    """
    jobs = [one for pair in runs_of(grid) for one in pair]
    took: dict[int, float] = {}
    seconds, students = 0.0, {}
    for one in jobs:
        job, prompt = job_of(size, one, store)
        if every or len(job.train) not in took:
            began = time.perf_counter()
            students[one] = plain_predict(plain_tune(job, prompt), prompt)
            took[len(job.train)] = time.perf_counter() - began
        seconds += took[len(job.train)]
    return seconds, students


def difference(store: Store, students: dict[PredictTuned, np.ndarray]) -> tuple[float, float, float]:
    """Return ours minus plain in accuracy, in points, with its 95 % interval over test items."""
    rows = []
    for student, theirs in students.items():
        mine = read_predictions(store.folder("predict", student.digest)).of_split("test")
        gold_of = read_table(store.folder("data", student.data.digest) / "gold.parquet")
        gold = gold_of["gold"].to_numpy()[rows_of(gold_of["id"].to_pylist(), mine.ids)]
        rows.append((mine.probabilities.argmax(1) == gold).astype(float) - (theirs.argmax(1) == gold))
    of_item = 100 * np.mean(rows, 0)
    half = 1.96 * of_item.std(ddof=1) / np.sqrt(len(of_item))
    return of_item.mean(), of_item.mean() - half, of_item.mean() + half


def factors(size: Size, grid: Plan, store: Store) -> None:
    """Print what each idea gives alone, on one student."""
    one, _ = runs_of(grid)[0]
    fit = one.model
    assert isinstance(fit, TrainTune) and fit.prefix is not None
    job, prompt = job_of(size, one, store)
    began = time.perf_counter()
    trained = plain_tune(job, prompt)
    plain_train_s = time.perf_counter() - began
    plain_test_s = timed(lambda: plain_predict(trained, prompt))
    labels = read_labels(store.folder("label", fit.labels.digest))
    ids, texts, _ = texts_of(store.folder("data", fit.data.digest))
    reading = Reading(fit.spec, [texts[i] for i in rows_of(ids, labels.ids)], prompt)
    with tempfile.TemporaryDirectory() as folder:
        work, out = Path(folder, "work"), Path(folder, "out")
        sorted_train_s = timed(lambda: tune(Tuning(reading, labels, fit.objective, fit.fit, fit.seed), work, out))
        sorted_test_s = timed(lambda: predict_tuned(Reading(fit.spec, job.test, prompt), out))
    took = {stage: store.manifest(stage.kind, stage.digest)["seconds"] for stage in (fit, one, fit.prefix)}
    fits = [stage for stage in grid.stages if isinstance(stage, TrainTune)]
    shared = 2 * len(runs_of(grid)) / len(fits)
    print(
        f"  training one student: plain {plain_train_s:.2f} s, sorted {sorted_train_s:.2f} s, stored {took[fit]:.2f} s"
    )
    print(f"  testing one student:  plain {plain_test_s:.2f} s, sorted {sorted_test_s:.2f} s, stored {took[one]:.2f} s")
    print(f"  factor padding    {plain_train_s / sorted_train_s:.2f} (training, sorted within the step)")
    print(f"  factor prefix     {sorted_train_s / took[fit]:.2f} (training; states: {took[fit.prefix]:.2f} s once)")
    print(f"  factor evaluation {plain_test_s / took[one]:.2f} (padding {plain_test_s / sorted_test_s:.2f}, "
          f"prefix {sorted_test_s / took[one]:.2f})")  # fmt: skip
    print(f"  factor sharing    {shared:.2f} ({2 * len(runs_of(grid))} fits against {len(fits)}: ceilings are shared)")


def timed(act: Callable[[], Any]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(size: Size, kind: str, every: bool) -> tuple[float, bool]:
    """Measure one kind of tuning; return the ratio and whether the accuracies agree."""
    grid = study(size, kind)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for repetition in range(REPETITIONS):
            store = Store.open(Path(folder, str(repetition)))
            ours_s = ours(grid, store)
            plain_s, students = plain(size, grid, store, every)
            pairs.append((plain_s, ours_s))
        mean, low, high = difference(store, students)
        ratio = median(theirs / mine for theirs, mine in pairs)
        print(f"{kind}: plain {[round(one, 1) for one, _ in pairs]} s, ours {[round(one, 1) for _, one in pairs]} s, "
              f"ratio {ratio:.2f} (goal {GOALS[kind]:g})")  # fmt: skip
        print(f"  accuracy, ours - plain: {mean:+.2f} points [{low:+.2f}, {high:+.2f}] (goal: inside 2)")
        factors(size, grid, store)
    return ratio, -2 < low <= high < 2


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="2 methods, 1 seed, 8 blocks, few items, LoRA only")
    parser.add_argument("--train", type=int, default=FULL.train, help="items of the transfer split")
    parser.add_argument("--test", type=int, default=FULL.test, help="items of the test split")
    parser.add_argument("--every", action="store_true", help="run every plain fit: hours at the default size")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else replace(FULL, train=chosen.train, test=chosen.test)
    transformers_logging.disable_progress_bar()
    # peft asks transformers by a name that it has deprecated
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
    kinds = ["lora"] if chosen.quick else list(GOALS)
    found = {kind: measure(size, kind, chosen.quick or chosen.every) for kind in kinds}
    value = {kind: round(ratio, 2) for kind, (ratio, _) in found.items()}
    met = all(found[kind][0] >= GOALS[kind] and found[kind][1] for kind in kinds)
    print(
        json.dumps(
            {
                "bench": "grid_tune",
                "value": value,
                "goal": {one: GOALS[one] for one in kinds},
                "met": met,
                "device": device(),
            }
        )
    )


if __name__ == "__main__":
    main()
