"""A study with every kind of stage, small enough to be killed hundreds of times."""

from __future__ import annotations

import gc
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from killed_children import count_changes, forked, kill_after, kill_at_change, kill_in_write

from trimtab.environment import package_versions
from trimtab.executors.perform import perform
from trimtab.experiment import Experiment, parse
from trimtab.plan import plan
from trimtab.stages.stage import Stage
from trimtab.store import Store
from trimtab.tasks.file import File
from trimtab.types import Items

PROBE = {"kind": "probe", "strengths": [0.1, 1.0], "folds": 2, "steps": 30, "max_steps": 200}
TUNE = {"kind": "tune", "rank": 2, "epochs": 1, "batch_size": 14, "micro_batch_size": 14, "save_every": 1}
WAYS = ("before a change", "at any time", "in mid-write")
"""Moments of death: before the store is changed, after some time, inside a write that is half done."""


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


def fault_experiment(folder: Path, **changes: Any) -> Experiment:
    """Return a study on made-up reviews: a probed encoder teaches a probed and a tuned causal model, with controls."""
    values = {
        "name": "faults",
        "task": {
            "kind": "file",
            "path": str(folder / "reviews.csv"),
            "id": "id",
            "classes": ["bad", "good"],
            "prompt": "review : {text} answer :",
            "supervisor": 40,
            "transfer": 40,
            "test": 60,
        },
        "split": {"pool": 600},
        "weak": [{"model": str(folder / "weak"), "fit": PROBE, "precision": "fp32"}],
        "strong": [
            {"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"},
            {"model": str(folder / "strong"), "fit": TUNE, "precision": "fp32"},
        ],
        "methods": [{"name": "sure", "labels": [{"confident": {"keep": 0.9}}], "objective": "confidence"}],
        "seeds": [0],
        "controls": True,
        "metrics": ["accuracy"],
    }
    return parse(values | changes, Path())


@dataclass(frozen=True)
class RatedReviews(File):
    """Reviews with three ratings each, which are right two times out of three."""

    def read(self) -> Items:
        """Return the items with ratings that gold was not made of."""
        items = super().read()
        held = tuple((2.0 * y - 1, 2.0 * y - 1, 1.0 - 2 * y) for y in items.gold.tolist())
        return replace(items, held_ratings=held)


def every_supervisor(folder: Path, fit: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every supervisor that is no single trained model, with small settings."""
    weak = {"model": str(folder / "weak"), "fit": fit, "precision": "fp32"}
    asked = {"model": str(folder / "strong"), "precision": "fp32"}
    return [
        {"mean_ensemble": {"members": [weak, {**weak, "layer": 0}]}},
        {"dirichlet_ensemble": {"members": [weak, {**weak, "layer": 0}]}},
        {"bagging": {"model": weak, "rounds": 2}},
        {"adaboost": {"model": weak, "rounds": 2}},
        {"human_ratings": {"crowd": 1}},
        {"trained_on_ratings": {"model": weak, "crowd": 1}},
        {"annotator": {}},
        {"prompted": {"model": asked, "shots": 2}},
        {"ccs": {"model": asked, "starts": 2}},
        {"icm": {"model": asked}},
    ]


def rated(experiment: Experiment) -> Experiment:
    """Return an experiment whose reviews have ratings."""
    task = experiment.task
    return replace(experiment, task=RatedReviews(**{one.name: getattr(task, one.name) for one in fields(task)}))


def _all_else(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of supervisors that are no single model, of steps with evidence, schedules, curves, hints."""
    methods = [
        {"name": "smooth", "labels": [{"graph_smoothing": {"neighbours": 3}}], "objective": "naive"},
        {"schedule": {"strong_to_strong": {"rounds": 1, "folds": 2}}},
        {"schedule": {"early_stopping": {"lengths": [5, 20], "folds": 4}}},
        {"schedule": {"generative": {}}},
    ]
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    told = fault_experiment(folder, methods=methods, strong=strong, controls=False)
    weak = every_supervisor(folder, PROBE)
    supervised = rated(fault_experiment(folder, weak=weak, methods=["naive"], strong=strong, controls=False))
    curved = fault_experiment(folder, strong=strong, controls=["trivial_imitation"], curves={"sizes": [20]})
    studies = (plan(one).stages for one in (told, supervised, curved))
    return (*(stage for stages in studies for stage in stages), *_pairs(folder), *_choices(folder))


@dataclass(frozen=True)
class LevelledReviews(File):
    """Reviews of three levels."""

    def read(self) -> Items:
        """Return the items with a level each."""
        items = super().read()
        return replace(items, slices={"level": np.arange(len(items.ids)) % 3.0})


def _by_level(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of a study whose split is by level."""
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    methods = [{"schedule": "easy_truth"}]
    split = {"by": "level", "hard_from": 1}
    told = fault_experiment(folder, strong=strong, methods=methods, split=split, controls=False)
    task = LevelledReviews(**{one.name: getattr(told.task, one.name) for one in fields(told.task)})
    return plan(replace(told, task=task)).stages


def _pairs(folder: Path) -> tuple[Stage, ...]:
    task = {"kind": "pairs", "path": str(folder / "pairs.jsonl"), "supervisor": 30, "transfer": 30, "test": 40}
    task |= {"second_path": str(folder / "second.jsonl"), "second": 30}
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    methods = ["naive", {"conflict": {"explicit": {"rounds": 1}}}, {"conflict": "implicit"}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong, methods=methods, controls=False)).stages


def _choices(folder: Path) -> tuple[Stage, ...]:
    task = {"kind": "choices", "path": str(folder / "choices.jsonl"), "answer_as": "place", "supervisor": 25,
            "transfer": 25, "test": 30}  # fmt: skip
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong, methods=["naive"])).stages


def stages_of(folder: Path) -> tuple[Stage, ...]:
    """Return every kind of stage: those of other supervisors, steps and schedules, the study's own, the one that runs
    the lower layers of a student that tunes its top layer only, and those of a study that streams its data."""
    stages = plan(fault_experiment(folder)).stages
    tune = TUNE | {"layers": {"top": 1}}
    topmost = plan(fault_experiment(folder, strong=[{"model": str(folder / "strong"), "fit": tune}])).stages
    prefix = (one for one in topmost if one.kind == "prefix")
    every = (*_by_level(folder), *_all_else(folder), *stages[:-1], *prefix, stages[-1], *_streamed(folder))
    return tuple({one.digest: one for one in every}.values())


def _streamed(folder: Path) -> tuple[Stage, ...]:
    task = {"kind": "stream", "path": str(folder / "reviews.parquet"), "id": "id", "classes": ["bad", "good"],
            "prompt": "review : {text} answer :", "supervisor": 60, "transfer": 60, "test": 60}  # fmt: skip
    # a layer of its own, so that the model is asked for its answers and no stored state is
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32", "layer": 1}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong)).stages


def small_parts() -> None:
    """Cut streamed data into parts that are small enough for these data to have several."""
    import trimtab.tasks.stream
    import trimtab.tasks.streamed.batch
    import trimtab.tasks.streamed.roles

    for module in (trimtab.tasks.stream, trimtab.tasks.streamed.batch, trimtab.tasks.streamed.roles):
        module.PART = 40


def named(stages: tuple[Stage, ...]) -> dict[str, Stage]:
    """Return the last stage of each kind by the name of its class: data, split, embed, select, train (twice), ...

    One that reads texts with hints, which are fewer, only where there is no other of its kind.
    """
    plain_last = sorted(
        stages, key=lambda one: "TextHinted" not in {type(read).__name__ for read in one.inputs.values()}
    )
    return {type(stage).__name__: stage for stage in plain_last}


def classes_of_stages(base: type[Stage] = Stage) -> Iterator[str]:
    """Yield the names of all kinds of stages that there are; call once a plan has imported them."""
    for one in base.__subclasses__():
        if one.__module__.startswith("trimtab.") and not one.__abstractmethods__:
            yield one.__name__
        yield from classes_of_stages(one)


def files_of(store: Store, stage: Stage) -> dict[str, Any]:
    """Return name -> sha256 and size of an artifact's files."""
    return store.manifest(stage.kind, stage.digest)["files"]


def import_for_any() -> None:
    """Import and look up now what stages without a model do once per process, so that forked children need not."""
    import encodings.ascii
    import encodings.utf_8_sig

    import pandas
    import pyarrow.dataset
    import pyarrow.pandas_compat
    import pyarrow.parquet
    import safetensors.numpy
    import scipy.optimize
    import scipy.sparse.csgraph
    import sklearn.neural_network

    import trimtab.commands
    import trimtab.comparison.cells
    import trimtab.comparison.curves
    import trimtab.comparison.envelope
    import trimtab.comparison.overlap
    import trimtab.comparison.streamed
    import trimtab.fit.select
    import trimtab.stages.streamed.parts
    import trimtab.stages.tables
    import trimtab.supervise.flipped_choices
    import trimtab.supervise.flipped_truth
    import trimtab.supervise.gold
    import trimtab.supervise.subset
    import trimtab.tasks.by_level.pool
    import trimtab.tasks.streamed.roles

    assert all((encodings, pandas, pyarrow, safetensors.numpy, scipy.optimize, scipy.sparse.csgraph, sklearn, trimtab))
    package_versions()  # for the manifest; reading them is most of what a small stage would do


def import_for_models() -> None:
    """Import and look up now what stages with a model need too."""
    import peft.utils.transformers_weight_conversion
    import scipy.stats
    import torch.utils.serialization
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import trimtab.fit.choice_select
    import trimtab.fit.generative
    import trimtab.fit.lower_layers
    import trimtab.fit.predict_tuned
    import trimtab.fit.select
    import trimtab.fit.streamed
    import trimtab.fit.tune
    import trimtab.models.activations
    import trimtab.models.choice_activations
    import trimtab.models.zero_shot
    import trimtab.report
    import trimtab.stages.tune_job

    torch.set_num_threads(1)
    assert all((peft, scipy.stats, transformers, trimtab))
    # the renamed weights of all architectures: a thousand patterns, half of the time that a tiny model takes to load
    get_checkpoint_conversion_mapping("llama")


def make_all(folder: str, root: str) -> None:
    """Make every artifact without disturbance; in a child process."""
    import torch

    torch.set_num_threads(1)
    small_parts()
    store = Store.open(Path(root))
    for stage in stages_of(Path(folder)):
        perform(stage, store)


def kill_each(names: tuple[str, ...], folder: str, whole: str, work: str, kills: int, models: bool) -> None:
    """Do `kill_often` to several stages, in a process that imports everything once and computes nothing itself."""
    import_for_any()
    if models:
        import_for_models()
    small_parts()
    stages, wanted = named(stages_of(Path(folder))), Store.open(Path(whole))
    gc.freeze()  # a fork that collects garbage would copy all that it shares with this process
    for name in names:
        report = kill_often(stages[name], wanted, Path(work) / name, kills, random.Random(name))
        (Path(work) / f"{name}.json").write_text(json.dumps(report))


def link(stages: Iterable[Stage], wanted: Store, root: Path) -> None:
    """Let finished artifacts of another store be found in the store at `root`."""
    for stage in stages:
        target = root / stage.kind / stage.digest
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(wanted.folder(stage.kind, stage.digest), target_is_directory=True)


@dataclass(frozen=True)
class _Extent:
    """How much an undisturbed stage does."""

    changes: int
    seconds: float
    largest_bytes: int

    def arm(self, way: str, moment: float, folder: Path) -> None:
        """Have this process killed at a moment (0 its beginning, 1 its end) of the stage that it is about to do."""
        if way == "before a change":
            kill_at_change(1 + int(moment * self.changes), folder)
        elif way == "at any time":
            kill_after(moment * self.seconds * 0.9)
        else:
            kill_in_write(int(moment * self.largest_bytes))


def kill_often(stage: Stage, wanted: Store, root: Path, kills: int, moments: random.Random) -> dict[str, Any]:
    """Kill a stage `kills` times, finish it, compare it with the undisturbed one; say how it died how often.

    The ways of dying take turns. After every fifth kill the stage is finished, compared, and begun afresh.
    """
    link(stage.inputs.values(), wanted, root)
    store, place = Store.open(root), root / stage.kind / stage.digest
    extent = _extent(stage, store, files_of(wanted, stage))
    signals, ways, finished = Counter[int](), Counter[str](), 0
    _begin_afresh(place)
    for _ in range(8 * kills):
        if ways.total() == kills:
            break
        # the same way until it kills: a death by the clock may come too late
        way, moment = WAYS[ways.total() % len(WAYS)], moments.random()

        def disturbed(way: str = way, moment: float = moment) -> None:
            extent.arm(way, moment, place.parent)
            perform(stage, store)

        code = forked(disturbed)
        if code:
            signals[code] += 1
            ways[way] += 1
        elif not store.has(stage.kind, stage.digest):
            raise AssertionError(f"{stage.title} ended well and left nothing")
        if store.has(stage.kind, stage.digest) or ways.total() % 5 == 0:
            assert forked(lambda: perform(stage, store) and None) == 0
            assert files_of(store, stage) == files_of(wanted, stage), stage.title
            finished += 1
            _begin_afresh(place)
    return {"signals": signals, "ways": ways, "finished": finished}


def _extent(stage: Stage, store: Store, files: dict[str, Any]) -> _Extent:
    """Do a stage undisturbed in a fork and measure it."""
    note = store.root / "extent.json"

    def measured() -> None:
        last = [0]
        began = time.monotonic()
        count_changes(store.root / stage.kind, lambda n: last.__setitem__(0, n))
        perform(stage, store)
        found = [last[0], time.monotonic() - began]
        note.write_text(json.dumps(found))

    assert forked(measured) == 0
    changes, seconds = json.loads(note.read_text())
    return _Extent(changes, seconds, max(entry["bytes"] for entry in files.values()))


def _begin_afresh(place: Path) -> None:
    for path in place.parent.glob(f"{place.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
