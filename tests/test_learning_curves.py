"""Learning curves of a study: what is trained on what, and labels of known worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm
from test_study_fair import frozen_split_with_other_truth
from test_tasks_pairs import experiment as study_of_pairs
from tiny_study import study

from trimtab.comparison.learning_curves import Point, halves
from trimtab.errors import ExperimentError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import Experiment, parse
from trimtab.plan import plan
from trimtab.results import Results
from trimtab.stages.subset import LabelSubset
from trimtab.store import Store
from trimtab.study import run

SIZES = [25, 50]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Results, Path]:
    folder = tmp_path_factory.mktemp("curves")
    values = study(folder, (0, 1), methods=["naive"], controls=False, curves={"sizes": SIZES}, metrics=["accuracy"])
    experiment = parse(values, folder)
    return experiment, run(experiment, store=folder / "store", runs=folder / "runs"), folder


def test_without_curves_nothing_of_a_plan_knows_of_them(tmp_path: Path) -> None:
    values = study(tmp_path, (0,))
    for curves in ({}, {"curves": False}):
        compare = plan(parse(values | curves, tmp_path)).compare
        assert not {"curves", "left_out"} & set(compare.settings)
    assert values["task"]["transfer"] == 100
    plain, curved = (plan(parse(values | curves, tmp_path)) for curves in ({}, {"curves": {"sizes": [50]}}))
    more = [one for one in curved.stages if one.digest not in {one.digest for one in plain.stages}]
    # weak labels and truth: a subset, a penalty, a fit and its predictions each; what is learnt from all is there
    assert sorted(one.kind for one in more) == ["compare", *sorted(2 * ["label", "select", "train", "predict"])]


def test_a_ladder_of_halves() -> None:
    assert halves(2000) == (62, 125, 250, 500, 1000)
    assert halves(10_000) == (312, 625, 1250, 2500, 5000)
    assert halves(100) == (50,) and halves(99) == ()


def test_true_takes_halves_and_the_whole_split_comes_by_itself(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"])
    by_itself, named = (
        plan(parse(values | {"curves": curves}, tmp_path)).compare.curves for curves in (True, {"sizes": [50, 100]})
    )
    assert by_itself == named and len(named[0].ground_truth) == 2


def test_the_last_points_are_the_naive_student_and_the_ceiling(finished: tuple[Experiment, Results, Path]) -> None:
    results = finished[1]
    (curve,), row = results.data["curves"], results.row("naive", "accuracy")
    assert curve["sizes"] == [25, 50, 100]
    assert curve["weak_labels"][-1] == row["student"]
    assert curve["ground_truth"][-1] == row["ceiling"]
    assert curve["weak_score"] == row["weak_score"]
    assert (curve["weak"], curve["strong"], curve["metric"]) == ("w0", "s0", "accuracy")
    assert curve["worth"]["of"] == 100


def test_both_curves_learn_the_same_items_and_smaller_sets_lie_in_larger_ones(
    finished: tuple[Experiment, Results, Path],
) -> None:
    experiment, _, folder = finished
    compare, store = plan(experiment).compare, Store.open(folder / "store")

    def members(point: Point, seed: int) -> tuple[set[str], np.ndarray]:
        stage = compare.labels[point.labels[seed]]
        table = pq.read_table(store.folder(stage.kind, stage.digest) / "labels.parquet").to_pydict()
        return set(table["id"]), np.array(table["weight"])

    (curve,) = compare.curves
    for seed in range(2):
        sets = [members(point, seed) for point in curve.weak_labels]
        assert [len(ids) for ids, _ in sets] == [25, 50, 100]
        assert all((weights == 1).all() for _, weights in sets)
        assert sets[0][0] < sets[1][0] < sets[2][0]
        assert [members(point, seed)[0] for point in curve.ground_truth] == [ids for ids, _ in sets]
    assert members(curve.weak_labels[0], 0)[0] != members(curve.weak_labels[0], 1)[0]


def test_the_penalty_is_chosen_on_the_subset_alone(finished: tuple[Experiment, Results, Path]) -> None:
    chosen = [one for one in plan(finished[0]).stages if one.kind == "select"]
    subsets = [one for one in chosen if isinstance(one.inputs["labels"], LabelSubset)]
    assert len(subsets) == 2 * 2 * len(SIZES)  # seeds, curves, sizes
    for stage in plan(finished[0]).stages:
        if stage.kind == "train":
            assert stage.inputs["selection"].inputs["labels"] is stage.inputs["labels"]


def test_the_page_shows_curves_and_what_labels_are_worth(finished: tuple[Experiment, Results, Path]) -> None:
    page = (finished[2] / "runs" / "tiny" / "report.html").read_text("utf-8")
    assert "Learning curves" in page and "100 weak labels" in page and "learning-0-title" in page


def test_a_student_that_is_tuned_learns_subsets_too(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"], controls=False, curves={"sizes": [40]})
    values["strong"][0] |= {"fit": {"kind": "tune", "epochs": 1}, "pooling": "auto"}
    values["strong"][0].pop("layer")
    stages = plan(parse(values, tmp_path)).stages
    tuned = [one.inputs["labels"] for one in stages if type(one).__name__ == "TrainTune"]
    assert sum(isinstance(one, LabelSubset) for one in tuned) == 2 and len(tuned) == 4


def test_a_study_on_pairs_has_curves(tmp_path: Path) -> None:
    values = study_of_pairs(tmp_path) | {"curves": {"sizes": [40]}, "methods": ["naive"], "controls": False}
    results = run(parse(values, tmp_path), store=tmp_path / "store")
    (curve,) = results.data["curves"]
    assert curve["sizes"] == [40, 80] and curve["ground_truth"][-1]["mean"] > 0.9
    assert results.data["overlap_density"] == []


WRONG = {
    "too large": ({"curves": {"sizes": [50, 101]}}, r"curves\.sizes: found 101, wanted at most 100"),
    "falling": ({"curves": {"sizes": [50, 20]}}, "curves: sizes must be ascending numbers of at least 2 labels"),
    "one label": ({"curves": {"sizes": [1]}}, "curves: sizes must be ascending"),
    "none": ({"curves": {"sizes": []}}, "curves: sizes must be ascending"),
    "words": ({"curves": {"sizes": ["ten"]}}, r"curves\.sizes\.0: found 'ten'"),
    "another key": ({"curves": {"size": [10]}}, r'curves\.size: unknown key. Did you mean "sizes"'),
    "a number": ({"curves": 100}, "curves: found 100; wanted true or false"),
}


@pytest.mark.parametrize("case", WRONG)
def test_sizes_that_cannot_be_are_refused(case: str, tmp_path: Path) -> None:
    changes, message = WRONG[case]
    with pytest.raises(ExperimentError, match=message):
        plan(parse(study(tmp_path, (0,), **changes), tmp_path))


def test_what_has_no_sizes_of_its_own_must_name_them(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), curves=True)
    values["task"]["transfer"] = 98
    with pytest.raises(ExperimentError, match="half of the transfer split, 49 items, is less"):
        plan(parse(values, tmp_path))
    del values["task"]["transfer"]
    with pytest.raises(ExperimentError, match="the data's own split column decides it; name the sizes"):
        plan(parse(values, tmp_path))


def test_a_streamed_task_is_refused(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), curves={"sizes": [50]})
    table = pa_csv.read_csv(values["task"]["path"])
    pq.write_table(table, tmp_path / "reviews.parquet")
    values["task"] |= {"kind": "stream", "path": str(tmp_path / "reviews.parquet")}
    with pytest.raises(ExperimentError, match="curves: subsets of the labels are drawn in memory"):
        plan(parse(values | {"split": {}}, tmp_path))


def predictions_of(experiment: Experiment, folder: Path) -> dict[tuple[str, int], bytes]:
    """Return the predictions of every point by curve and place, after running what is missing."""
    planned, store = plan(experiment), Store.open(folder)
    run_stages(planned.stages, store, 1, Quiet())
    (curve,) = planned.compare.curves

    def read(point: Point) -> bytes:
        stage = planned.compare.predictions[point.predictions[0]]
        return (store.folder(stage.kind, stage.digest) / "predictions.parquet").read_bytes()

    named = {"weak": curve.weak_labels, "truth": curve.ground_truth}
    return {(name, place): read(point) for name, points in named.items() for place, point in enumerate(points)}


def test_subsets_of_weak_labels_see_no_truth(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"], controls=False, curves={"sizes": SIZES}, metrics=["accuracy"])
    experiment = parse(values, tmp_path)
    before = predictions_of(experiment, tmp_path / "store")
    frozen_split_with_other_truth(experiment, tmp_path / "store", tmp_path / "permuted")
    after = predictions_of(experiment, tmp_path / "permuted")
    for (name, place), told in before.items():
        assert (after[name, place] == told) == (name == "weak"), (name, place)


def noisy(folder: Path, hidden: int = 300, items: int = 3600) -> dict[str, Any]:
    """Write two classes whose means differ by 2 in one direction of many, for an annotator who errs 20 times of 100."""
    generator = np.random.default_rng(3)
    gold = generator.integers(2, size=items)
    mean = generator.normal(size=hidden)
    values = generator.normal(size=(items, hidden)) + np.outer(2 * gold - 1, mean / np.linalg.norm(mean))
    ids = [f"i{number:05d}" for number in range(items)]
    pq.write_table(pa.table({"id": ids, "label": gold}), folder / "labels.parquet")
    columns = {f"f{place}": values[:, place].astype(np.float32) for place in range(hidden)}
    pq.write_table(pa.table({"id": ids, **columns}), folder / "states.parquet")
    return {
        "name": "noisy",
        "task": {"kind": "features", "path": "labels.parquet", "supervisor": 20, "transfer": 1200, "test": 1000},
        "split": {"pool": items},
        "weak": [{"annotator": {"confusion": [[0.8, 0.2], [0.2, 0.8]]}}],
        # so strong a penalty makes the head the difference of two means
        "strong": [{"model": "states.parquet", "fit": {"kind": "probe", "strengths": [10.0], "folds": 2}}],
        "methods": ["naive"],
        "controls": False,
        "curves": {"sizes": [150, 300, 600]},
        "metrics": ["auroc"],
        "seeds": [0, 1, 2, 3, 4],
    }


def test_noisy_labels_are_worth_what_theory_says(tmp_path: Path) -> None:
    """1,200 labels of which a fifth is flipped are worth 1,200 (1 - 2/5)^2 = 432 right ones; AUROC, since flips and
    subsets also move the share of the classes."""
    results = run(parse(noisy(tmp_path), tmp_path), store=tmp_path / "store")
    (curve,) = results.data["curves"]
    worth, wanted = curve["worth"], 1200 * (1 - 2 * 0.2) ** 2
    assert worth["status"] == "ok"
    assert worth["low"] < wanted < worth["high"]
    assert worth["value"] == pytest.approx(wanted, rel=0.25)
    # and the scores are those of a mean of n items: cos^2 = n / (n + hidden), AUROC = Phi(sqrt 2 cos)
    for size, block in zip(curve["sizes"], curve["ground_truth"], strict=True):
        assert block["mean"] == pytest.approx(norm.cdf(np.sqrt(2 * size / (size + 300))), abs=0.015)


def test_worth_by_calibration_error_is_not_claimed(finished: tuple[Experiment, Results, Path]) -> None:
    experiment, _, folder = finished
    results = run(replace(experiment, metrics=("ece",)), store=folder / "store")
    worth = results.data["curves"][0]["worth"]
    assert (worth["value"], worth["status"]) == (None, "undefined") and "name another metric" in worth["reason"]
