"""Whole studies in which models are tuned on pairs and on choices: what is learnt, stored, refused and never leaked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from test_tasks_choices import experiment as choices
from test_tasks_pairs import experiment as pairs

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, parse
from trimtab.objectives.naive import Naive
from trimtab.plan import plan
from trimtab.plan.choosing import check_choices
from trimtab.stages.prefix import Prefix
from trimtab.stages.train import TrainTune
from trimtab.study import run

TUNE = {"kind": "tune", "epochs": 6, "batch_size": 8, "micro_batch_size": 8, "save_every": 100}
TOP = {**TUNE, "method": "full", "layers": {"top": 1}, "learning_rate": 3e-3}
METHODS = {
    pairs: ["naive", "confidence", {"schedule": "head_then_body"},
            {"name": "own", "schedule": {"strong_to_strong": {"rounds": 1, "folds": 2}}}],
    choices: ["naive", "product", {"schedule": "head_then_body"},
              {"name": "stopped", "schedule": {"early_stopping": {"lengths": [1, 3]}}}],
}  # fmt: skip


def tuned(made: Any, folder: Path, **changes: Any) -> Experiment:
    folder.mkdir(parents=True, exist_ok=True)
    values = made(folder, 170)
    values["task"] |= {"supervisor": 40, "transfer": 70, "test": 50}
    values["strong"] = [{"model": values["strong"][0]["model"], "pooling": "mean", "precision": "fp32", "fit": TOP}]
    return parse(values | {"methods": METHODS[made], "controls": ["flipped_truth"]} | changes, folder)


@pytest.fixture(scope="module", params=[pairs, choices], ids=["pairs", "choices"])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Experiment, Path, Any]:
    folder = tmp_path_factory.mktemp("tuned")
    told = tuned(request.param, folder)
    return request.param, told, folder, run(told, store=folder / "store", runs=folder / "runs")


def facts_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    paths = (folder / "store" / kind).glob("*/manifest.json")
    return [json.loads(path.read_text("utf-8"))["facts"] for path in paths]


def test_a_tuned_student_learns(done: tuple[Any, Experiment, Path, Any]) -> None:
    made, _, folder, results = done
    for method in ("naive", "head_then_body"):
        row = results.row(method, "accuracy")
        assert row["ceiling"]["mean"] > 0.85 and row["student"]["mean"] > 0.75
    assert results.row("head_then_body", "accuracy")["ceiling_kind"] == "head_then_body"
    assert {one["control"] for one in results.data["rows"] if one["control"]} == {"flipped_truth"}
    assert results.data["models"]["s0"]["fit"] == "tune"
    assert (folder / "runs" / made.__module__.removeprefix("test_tasks_") / "report.html").stat().st_size > 10_000


def test_one_prefix_of_all_answers_serves_every_fit(done: tuple[Any, Experiment, Path, Any]) -> None:
    made, told, folder, _ = done
    stages = plan(told).stages
    assert sum(isinstance(one, Prefix) for one in stages) == 1
    assert all(one.prefix is not None for one in stages if isinstance(one, TrainTune))
    (facts,) = facts_of(folder, "prefix")
    (items,) = (folder / "store" / "data").glob("*/items.parquet")
    table = pq.read_table(items)
    count = 2 * len(table) if made is pairs else sum(map(len, table["choices"].to_pylist()))
    assert facts["items"] == count > 2 * 140


def test_a_head_that_starts_from_a_probe_starts_lower(done: tuple[Any, Experiment, Path, Any]) -> None:
    _, told, folder, _ = done
    losses: dict[bool, list[float]] = {True: [], False: []}
    for one in plan(told).stages:
        if isinstance(one, TrainTune) and one.objective == Naive() and one.fit.epochs == TOP["epochs"]:
            fit = json.loads((folder / "store" / "train" / one.digest / "fit.json").read_text("utf-8"))
            losses[one.head is not None].append(fit["losses_nats"][0])
    assert losses[True] and max(losses[True]) < min(losses[False])


def test_probabilities_are_of_an_items_own_answers(done: tuple[Any, Experiment, Path, Any]) -> None:
    made, _, folder, _ = done
    (items,) = (folder / "store" / "data").glob("*/items.parquet")
    table = pq.read_table(items).to_pydict()
    counts = {name: 2 if made is pairs else len(table["choices"][row]) for row, name in enumerate(table["id"])}
    paths = list((folder / "store" / "predict").glob("*/predictions.parquet"))
    assert len(paths) > 6
    for path in paths:
        rows = pq.read_table(path).to_pydict()
        p = np.stack([rows[name] for name in rows if name[0] == "p" and name[1:].isdigit()], 1)
        absent = np.arange(p.shape[1]) >= np.array([counts[name] for name in rows["id"]])[:, None]
        assert (p[absent] == 0).all()
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


def test_no_truth_of_transfer_or_test_pairs_reaches_a_tuned_student(tmp_path: Path) -> None:
    told = tuned(pairs, tmp_path, methods=["naive", {"schedule": "head_then_body"}], controls=False)
    before = prediction_hashes(told, tmp_path / "store")
    frozen_split_with_other_truth(told, tmp_path / "store", tmp_path / "moved")
    after = prediction_hashes(told, tmp_path / "moved")
    for name, roles in before.items():
        assert roles["weak"] == after[name]["weak"] and roles["student"] == after[name]["student"], name
        assert roles["ceiling"] != after[name]["ceiling"], name


def test_without_the_cache_it_is_the_same_student(tmp_path: Path) -> None:
    found = []
    for name, fit in (("cached", TOP), ("whole", {**TOP, "prefix_cache": False})):
        told = tuned(pairs, tmp_path / name, methods=["naive"], controls=False)
        strong = [{"model": told.strong[0].spec.model, "pooling": "mean", "precision": "fp32", "fit": fit}]
        told = tuned(pairs, tmp_path / name, methods=["naive"], controls=False, strong=strong)
        found.append(run(told, store=tmp_path / name / "store").row("naive", "brier")["student"]["mean"])
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_an_objective_that_looks_at_other_items_is_refused_for_choices(tmp_path: Path) -> None:
    """Whatever it is derived from."""

    class Watching(Naive):
        def statistics(self, logits: Any, labels: Any) -> dict[str, Any]:
            return {"mean": logits.mean(-2)}

    told = tuned(choices, tmp_path)
    watched = replace(told, methods=(replace(told.methods[0], objective=Watching()),))
    with pytest.raises(ExperimentError, match=r"methods\.0: the objective Watching computes statistics over all items"):
        check_choices(watched)
    check_choices(told)
