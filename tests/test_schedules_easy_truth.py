"""Easy to hard, whole studies: what easy truth teaches of hard items, and what is kept; no hard truth gets through."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fault_data import by_level
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from tiny_study import study

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, parse
from trimtab.plan import plan
from trimtab.report.kept import kept_grids
from trimtab.report.page import render
from trimtab.results import Results
from trimtab.schedules.easy_truth import EasyTruth
from trimtab.stages.label import LabelGold
from trimtab.stages.tables import read_labels
from trimtab.store import Store
from trimtab.study import run

METHODS = [{"schedule": "easy_truth"}, "naive", "confidence"]
SPLIT = {"by": "level", "hard_from": 2}
FIT = {"kind": "probe", "strengths": [0.01, 0.1, 1.0], "steps": 60}


def planted(folder: Path, shortcut: float, seeds: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    """Write 1,600 items of two levels, half easy, with tables of features, and return a study on them.

    The weak model sees the class of an easy item well, of a hard one badly. The strong one sees it equally well at both
    levels, and beside it a shortcut that tells the class of easy items alone, and nothing of hard ones.
    """
    random = np.random.default_rng(11)
    count = 1600
    level, gold = np.arange(count) // 2 % 2 + 1, np.arange(count) % 2
    sign, easy = 2.0 * gold - 1, level == 1
    noise = random.normal(size=(count, 8))
    weak, strong = noise[:, :2], noise[:, 2:]
    weak[:, 0] += sign * np.where(easy, 1.5, 0.35)
    strong[:, 0] += 1.5 * sign
    strong[:, 1] = np.where(easy, strong[:, 1] + shortcut * sign, (3 if shortcut else 1) * strong[:, 1])
    ids = [f"item{k:04d}" for k in range(count)]
    lines = [f"{name},text of {name},{('no', 'yes')[y]},{n}" for name, y, n in zip(ids, gold, level, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.csv").write_text("\n".join(["id,text,label,level", *lines]), "utf-8")
    for name, values in (("weak", weak), ("strong", strong)):
        table = {"id": ids, **{f"f{k}": values[:, k] for k in range(values.shape[1])}}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    return {
        "name": "planted",
        "task": {"kind": "file", "path": str(folder / "items.csv"), "id": "id", "classes": ["no", "yes"],
                 "slices": ["level"], "supervisor": 200, "transfer": 200, "test": 400},
        "split": {**SPLIT, "pool": 1500, "kept": 300},
        "weak": [{"model": str(folder / "weak.parquet"), "fit": FIT}],
        "strong": [{"model": str(folder / "strong.parquet"), "fit": FIT}],
        "methods": METHODS,
        "seeds": list(seeds),
        "metrics": ["accuracy", "auroc"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def extrapolating(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("rule")
    experiment = parse(planted(folder, 0.0), folder)
    return run(experiment, store=folder / "store", runs=folder / "runs"), folder


@pytest.fixture(scope="module")
def misled(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("shortcut")
    return run(parse(planted(folder, 4.0), folder), store=folder / "store")


def test_a_rule_that_holds_at_every_level_is_recovered_whole(extrapolating: tuple[Results, Path]) -> None:
    """The signal is 1.5 standard deviations: .933 right; the weak one has .35 on hard items: .637."""
    row = extrapolating[0].row("easy_truth")
    assert row["weak_score"]["mean"] == pytest.approx(0.637, abs=0.06)
    assert row["ceiling"]["mean"] == pytest.approx(0.933, abs=0.04)
    assert row["student"]["mean"] == pytest.approx(0.933, abs=0.04)
    assert row["pgr"]["status"] == "ok" and row["pgr"]["value"] > 0.85
    kept = row["kept"]
    assert kept["weak_score"]["mean"] == pytest.approx(0.933, abs=0.04)
    assert kept["student_against_weak"]["low"] < 0 < kept["student_against_weak"]["high"]


def test_both_comparisons_stand_side_by_side(extrapolating: tuple[Results, Path]) -> None:
    """The same floor, the same ceiling, the same test items."""
    results = extrapolating[0]
    rows = [results.row(name) for name in ("easy_truth", "naive", "confidence")]
    for role in ("weak_score", "ceiling"):
        assert len({row[role]["mean"] for row in rows}) == 1
    assert len({row["student"]["mean"] for row in rows}) == 3
    assert [row["truth"] for row in rows] == ["supervisor", "none", "none"]
    assert results.row("naive")["labels"]["weak_accuracy"]["mean"] == pytest.approx(0.637, abs=0.06)


def test_a_shortcut_of_the_easy_items_misleads_on_the_hard_ones(misled: Results) -> None:
    """The easy items teach to follow what has no meaning on the hard ones."""
    row = misled.row("easy_truth")
    assert row["student"]["mean"] < row["ceiling"]["mean"] - 0.1
    assert row["kept"]["student"]["mean"] > 0.99
    assert row["kept"]["student_against_weak"]["low"] > 0.02
    assert row["kept"]["ceiling"]["mean"] < 1


def test_the_student_of_easy_truth_was_told_that_and_nothing_else(extrapolating: tuple[Results, Path]) -> None:
    results, folder = extrapolating
    labels = results.row("easy_truth")["labels"]
    assert (labels["weak"], labels["weak_accuracy"], labels["kept"], labels["gold"]) == (0, None, 200, 0)
    assert labels["kept_accuracy"]["mean"] == 1
    assert results.row("naive")["labels"]["weak"] == 200
    planned = plan(parse(planted(folder, 0.0), folder))
    (row,) = (one for one in planned.compare.rows if one.method == "easy_truth")
    model: Any = planned.compare.models[row.student_fits[0]]
    for told in (model.labels, model.selection.labels):
        assert isinstance(told, LabelGold) and told.part == "supervisor"
    store = Store.open(folder / "store")
    read = read_labels(store.folder("label", model.labels.digest))
    level = {f"item{k:04d}": k // 2 % 2 + 1 for k in range(1600)}
    assert {level[one] for one in read.ids} == {1} and read.truth == "supervisor"


def test_what_is_kept_is_the_accuracy_of_the_stored_answers(extrapolating: tuple[Results, Path]) -> None:
    """Read from the store by hand: mean over seeds of the share of kept items that are answered right."""
    results, folder = extrapolating
    gold = {f"item{k:04d}": k % 2 for k in range(1600)}
    for method in ("easy_truth", "naive"):
        row = results.row(method)
        assert row["kept"]["n_test"] == 300
        for role, name in (("weak", "weak_score"), ("student", "student"), ("ceiling", "ceiling")):
            shares = []
            for seed in row["per_seed"]:
                path = folder / "store" / "predict" / seed["predictions"][role] / "predictions.parquet"
                table = pq.read_table(path).to_pydict()
                shares.append(np.mean([
                    (second > first) == gold[one]
                    for one, split, first, second in zip(
                        table["id"], table["split"], table["p0"], table["p1"], strict=True)
                    if split == "kept"]))  # fmt: skip
            assert row["kept"][name]["mean"] == pytest.approx(np.mean(shares), abs=1e-12)
    kept = results.row("naive")["kept"]
    assert kept["student_against_weak"]["mean"] == pytest.approx(kept["student"]["mean"] - kept["weak_score"]["mean"])
    assert kept["ceiling_against_weak"]["mean"] == pytest.approx(kept["ceiling"]["mean"] - kept["weak_score"]["mean"])


def test_every_whole_row_says_what_is_kept_and_the_splits_say_how_many(extrapolating: tuple[Results, Path]) -> None:
    results = extrapolating[0]
    for row in results.rows:
        assert ("kept" in row) == (row["slice"] is None)
        if "kept" in row:
            assert all(block["low"] <= block["mean"] <= block["high"]
                       for name, block in row["kept"].items() if name != "n_test")  # fmt: skip
    assert results.data["splits"]["kept"]["n"] == 300 and len(results.data["splits"]["kept"]["digest"]) == 64
    assert any("The split is by level: supervisors learn from items below 2" in one["text"] for one in results.warnings)


def test_the_report_shows_what_is_kept(extrapolating: tuple[Results, Path]) -> None:
    results, folder = extrapolating
    (grid,) = kept_grids(results.data)
    assert grid.caption.endswith("300 easy items")
    names = [row[0] for row in grid.rows]
    assert names[0] == "weak supervisor" and names[1] == "easy_truth [supervisor]" and names[-1] == "strong ceiling"
    page = (folder / "runs" / "planted" / "report.html").read_text("utf-8")
    assert "What is kept on the easy items" in page
    plain = dict(results.data) | {"rows": [{k: v for k, v in row.items() if k != "kept"} for row in results.rows]}
    assert "What is kept" not in render(plain)


def levelled_study(folder: Path, **changes: Any) -> Experiment:
    """Return a study on reviews of three levels, with two tiny models."""
    values = study(folder, (0,), split={**SPLIT, "hard_from": 1, "kept": 40}, methods=METHODS, metrics=["accuracy"])
    values["task"] |= {"supervisor": 60, "transfer": 60, "test": 60}
    return by_level(parse(values | changes, folder))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    folder = tmp_path_factory.mktemp("reviews")
    return levelled_study(folder), folder


def test_hard_truth_reaches_no_student(reviews: tuple[Experiment, Path]) -> None:
    experiment, folder = reviews
    before = prediction_hashes(experiment, folder / "store")
    frozen_split_with_other_truth(experiment, folder / "store", folder / "permuted")
    after = prediction_hashes(experiment, folder / "permuted")
    for method in ("easy_truth", "naive", "confidence"):
        assert after[method]["weak"] == before[method]["weak"]
        assert after[method]["student"] == before[method]["student"], method
        assert after[method]["ceiling"] != before[method]["ceiling"]


def test_easy_truth_reaches_supervisor_and_student(reviews: tuple[Experiment, Path]) -> None:
    """Else the test above could not fail."""
    experiment, folder = reviews
    before = prediction_hashes(experiment, folder / "store")
    for stage in plan(experiment).stages:
        if stage.kind in ("data", "split", "embed"):
            shutil.copytree(folder / "store" / stage.kind / stage.digest, folder / "easy" / stage.kind / stage.digest)
    (gold_path,) = (folder / "easy" / "data").glob("*/gold.parquet")
    (members_path,) = (folder / "easy" / "split").glob("*/membership.parquet")
    gold, members = pq.read_table(gold_path).to_pydict(), pq.read_table(members_path).to_pydict()
    told = {one for one, name in zip(members["id"], members["split"], strict=True) if name == "supervisor"}
    turned = [1 - y if one in told else y for one, y in zip(gold["id"], gold["gold"], strict=True)]
    pq.write_table(pa.table({"id": gold["id"], "gold": turned}), gold_path)
    after = prediction_hashes(experiment, folder / "easy")
    assert after["easy_truth"]["student"] != before["easy_truth"]["student"]
    assert after["easy_truth"]["weak"] != before["easy_truth"]["weak"]
    assert after["easy_truth"]["ceiling"] == before["easy_truth"]["ceiling"]


def test_a_model_that_is_only_asked_says_that_it_was_not_asked_about_them(reviews: tuple[Experiment, Path]) -> None:
    experiment, folder = reviews
    results = run(experiment, store=folder / "store")
    kept = next(row for row in results.rows if row["control"] == "zero_shot" and row["slice"] is None)["kept"]
    assert kept["student"]["mean"] is None and "not asked" in kept["student"]["reason"]
    assert kept["student_against_weak"]["mean"] is None
    assert kept["weak_score"]["mean"] is not None and kept["ceiling"]["low"] is not None


def test_every_kind_of_student_and_supervisor_is_tested_on_kept_items(tmp_path: Path) -> None:
    """Ensembles, chains, early stopping and prompting among them."""
    model = study(tmp_path, (0,))["weak"][0]["model"]
    members = [{"model": model, "layer": layer, "fit": FIT} for layer in (0, 1)]
    weak = [{"mean_ensemble": {"members": members}}]
    schedules: list[Any] = [{"early_stopping": {"lengths": [5, 20]}}, {"strong_to_strong": {"folds": 2}}]
    methods = ["naive", *({"schedule": one} for one in (*schedules, {"weak_few_shot": {"shots": 2}}))]
    experiment = levelled_study(tmp_path, weak=weak, methods=methods, controls=False)
    for row in run(experiment, store=tmp_path / "store").rows:
        if row["slice"] is None:
            assert all(row["kept"][name]["mean"] is not None for name in ("weak_score", "student", "ceiling")), row[
                "key"
            ]


def test_a_method_does_the_same_whether_easy_truth_stands_beside_it_or_not(reviews: tuple[Experiment, Path]) -> None:
    experiment, _ = reviews
    alone = replace(experiment, methods=experiment.methods[1:])

    def stages(one: Experiment) -> set[str]:
        return {stage.digest for stage in plan(one).stages[:-1]}

    assert stages(alone) < stages(experiment)


@pytest.mark.parametrize("change, message", [
    ({"split": {"pool": 300}}, r"easy_truth learns the truth of the supervisor split.*set `split: \{by: level"),
    ({"methods": [{"name": "half", "labels": [{"confident": {"keep": 0.5}}], "schedule": "easy_truth"}]},
     r"methods: half has label steps, and the schedule easy_truth reads no weak labels"),
])  # fmt: skip
def test_where_easy_truth_makes_no_sense(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=message):
        plan(levelled_study(tmp_path, **change))


def test_tasks_that_cannot_be_split_by_level(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), split=SPLIT, methods=["naive"])
    sizes = {"supervisor": 60, "transfer": 60, "test": 60}
    (tmp_path / "pairs.jsonl").write_text('{"chosen": "a", "rejected": "b"}\n')
    paired = {"kind": "pairs", "path": str(tmp_path / "pairs.jsonl"), **sizes}
    with pytest.raises(ExperimentError, match=r"split\.by: a task of kind pairs has two answers an item"):
        plan(parse(values | {"task": paired}, tmp_path))
    pq.write_table(pa.table({"text": ["a"], "label": ["good"]}), tmp_path / "a.parquet")
    streamed = {"kind": "stream", "path": str(tmp_path / "a.parquet"), "classes": ["bad", "good"], **sizes}
    with pytest.raises(ExperimentError, match=r"split\.by: a task of kind stream is read as a stream"):
        plan(parse(values | {"task": streamed}, tmp_path))


def test_what_the_schedule_reads_of_the_truth() -> None:
    assert (EasyTruth.truth, EasyTruth.own_ceiling) == ("supervisor", False)


def test_the_same_study_has_the_same_bytes_twice(reviews: tuple[Experiment, Path]) -> None:
    experiment, folder = reviews
    compare = plan(experiment).compare
    found = []
    for name in ("store", "again"):
        run(experiment, store=folder / name)
        path = Store.open(folder / name).folder(compare.kind, compare.digest) / "results.json"
        found.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert found[0] == found[1]
