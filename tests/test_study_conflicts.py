"""Studies with conflicts: what is shared, what is found where it was planted, and what sees no truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conflict_study import blind_supervisor, experiment, half_blind_supervisor
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from tiny_study import study

from trimtab.comparison.row import ConflictedRow
from trimtab.errors import ExperimentError, TaskError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.results import Results
from trimtab.stages.conflict import LabelExplicit, SplitSecond
from trimtab.store import Store
from trimtab.study import run

TRUTH = {"name": "explicit", "conflict": {"explicit": {"rounds": 2}}}
WEAK = {"name": "weak-gate", "conflict": {"explicit": {"rounds": 2, "gate": "weak_label"}}}
IMPLICIT = {"name": "implicit", "conflict": "implicit"}


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blind")
    blind_supervisor(folder)
    return folder


@pytest.fixture(scope="module")
def results(blind: Path) -> Results:
    nothing = [
        {"name": "paid-nothing", "conflict": {"explicit": {"alpha": 0}}},
        {"name": "weighs-nothing", "conflict": {"implicit": {"weight": 0}}},
    ]
    return run(experiment(blind, ["naive", TRUTH, WEAK, IMPLICIT, *nothing]), store=blind / "store")


def found(results: Results, method: str) -> dict[str, Any]:
    return results.row(method, "accuracy")["diagnostics"]["deception"]


def test_a_conflict_of_weight_0_is_the_method_without_it(results: Results) -> None:
    """The same artifacts, hence no flips, hence nothing defined."""
    naive = results.row("naive", "accuracy")["per_seed"]
    for method in ("paid-nothing", "weighs-nothing"):
        own = results.row(method, "accuracy")["per_seed"]
        for one, other in zip(own, naive, strict=True):
            assert one["predictions"]["student"] == one["predictions"]["without_conflict"]
            assert one["predictions"]["student"] == other["predictions"]["student"]
        said = found(results, method)
        assert said["flips"]["total"] == 0 and said["second_items"] == 0
        assert all(entry["score"]["mean"] is None and entry["score"]["reason"] for entry in said["curve"])


def test_the_partner_of_a_plain_conflict_is_naive_and_no_stage_is_made_for_it(blind: Path) -> None:
    both = plan(experiment(blind, ["naive", TRUTH]))
    alone = plan(experiment(blind, [TRUTH]))
    assert {one.digest for one in both.stages[:-1]} == {one.digest for one in alone.stages[:-1]}
    naive, explicit = both.compare.rows
    assert isinstance(explicit, ConflictedRow) and not isinstance(naive, ConflictedRow)
    assert explicit.without_conflict == naive.student_predictions


def test_flips_and_scores_are_those_of_the_stored_predictions(blind: Path, results: Results) -> None:
    store, row = Store.open(blind / "store"), results.row("explicit", "accuracy")
    (data,) = (blind / "store" / "data").glob("*/gold.parquet")
    gold = dict(zip(*pq.read_table(data).to_pydict().values(), strict=True))
    flips = inside = 0
    for seed in row["per_seed"]:
        right = {}
        for role, digest in seed["predictions"].items():
            table = pq.read_table(store.folder("predict", digest) / "predictions.parquet").to_pydict()
            told = zip(table["id"], table["split"], table["p0"], table["p1"], strict=True)
            right[role] = {name: (p, q)[gold[name]] for name, split, p, q in told if split == "test"}
        for name, without in right["without_conflict"].items():
            if without >= 0.5 > right["student"][name]:
                flips += 1
                inside += right["ceiling"][name] >= 0.75 > right["weak"][name]
    said = found(results, "explicit")
    (entry,) = (one for one in said["curve"] if one["threshold"] == 0.75)
    assert said["flips"]["total"] == flips > 30
    assert entry["score"]["mean"] == pytest.approx(inside / flips)


def test_a_planted_explicit_conflict_errs_where_the_supervisor_cannot_see(results: Results) -> None:
    """The student is paid to turn against b, which the supervisor does not see: what flips has a small a."""
    (entry,) = (one for one in found(results, "explicit")["curve"] if one["threshold"] == 0.75)
    assert entry["score"]["mean"] > 0.95 and entry["lift"]["low"] > 1.05
    assert results.row("explicit", "accuracy")["truth"] == "oracle"
    assert results.row("weak-gate", "accuracy")["truth"] == "none"


def test_a_planted_second_goal_is_found_and_stated(tmp_path: Path) -> None:
    half_blind_supervisor(tmp_path)
    made = run(
        experiment(tmp_path, ["naive", {"name": "implicit", "conflict": {"implicit": {"weight": 3}}}]),
        store=tmp_path / "store",
    )
    said = found(made, "implicit")
    (entry,) = (one for one in said["curve"] if one["threshold"] == 0.75)
    assert said["second_items"] == 300 and said["tax"]["low"] > 0.1
    assert entry["lift"]["low"] > 1 and entry["deceives"]
    goal = made.data["task"]["second_goal"]
    # equal on the half whose kind the supervisor sees, up to the noise of the truth
    assert goal["goal"] == "another one" and 0.4 < goal["agreement"]["low"] < goal["agreement"]["high"] < 0.6
    (warning,) = (one["text"] for one in made.data["warnings"] if one["code"] == "second_goal")
    assert "300 true labels of a second goal" in warning and "Truth levels are about the first goal" in warning
    assert made.row("implicit", "accuracy")["truth"] == "none"


def test_steps_and_chains_compose_with_both_conflicts(blind: Path) -> None:
    middle = {"chain": {"through": [{"model": str(blind / "weak.parquet"), "fit": {"kind": "probe", "folds": 2}}]}}
    methods = [
        {"name": f"{mended}-{conflict}", "conflict": conflict, **how}
        for mended, how in (("sure", {"labels": [{"confident": {"threshold": 0.6}}]}), ("chain", {"schedule": middle}))
        for conflict in ("explicit", "implicit")
    ]
    made = run(experiment(blind, methods, seeds=(0,)), store=blind / "store")
    for method in methods:
        row = made.row(method["name"], "accuracy")
        (seed,) = row["per_seed"]
        assert seed["predictions"]["student"] != seed["predictions"]["without_conflict"]
        assert found(made, method["name"])["flips"]["total"] > 0
    sure = made.row("sure-implicit", "accuracy")["labels"]
    assert sure["kept"] < sure["weak"] == 300  # the second goal's items are not counted among the weak labels


def test_a_tuned_student_is_paid_for_its_errors_too(tmp_path: Path) -> None:
    """Two trainings, of which the first is naive's own."""
    values = study(tmp_path, (0,), items=300, methods=["naive", TRUTH | {"conflict": {"explicit": {"rounds": 1}}}],
                   controls=False, metrics=["accuracy"])  # fmt: skip
    values["split"] = {}
    tuned = {"kind": "tune", "rank": 2, "epochs": 1, "batch_size": 20, "micro_batch_size": 20}
    values["strong"] = [{"model": values["strong"][0]["model"], "fit": tuned}]
    planned = plan(parse(values, tmp_path))
    assert [type(one).__name__ for one in planned.stages].count("TrainTune") == 3  # naive, explicit, ceiling
    made = run(parse(values, tmp_path), store=tmp_path / "store")
    (seed,) = made.row("explicit", "accuracy")["per_seed"]
    assert (
        seed["predictions"]["without_conflict"]
        == made.row("naive", "accuracy")["per_seed"][0]["predictions"]["student"]
    )
    assert seed["predictions"]["student"] != seed["predictions"]["without_conflict"]
    said = found(made, "explicit")
    assert said["tax"]["mean"] == pytest.approx(said["flips"]["total"] / 80)


def test_the_second_split_shares_no_item_with_the_others(blind: Path, results: Results) -> None:
    planned, store = plan(experiment(blind, [IMPLICIT])), Store.open(blind / "store")
    seconds = [one for one in planned.stages if isinstance(one, SplitSecond)]
    assert len(seconds) == 3
    drawn = []
    for one in seconds:
        own, others = (
            set(pq.read_table(store.folder(stage.kind, stage.digest) / "membership.parquet")["id"].to_pylist())
            for stage in (one, one.split)
        )
        assert len(own) == 300 and len(others) == 900 and not own & others
        drawn.append(own)
    assert drawn[0] != drawn[1]


def test_truth_reaches_the_student_through_the_gate_on_truth_alone(tmp_path: Path) -> None:
    blind_supervisor(tmp_path)
    told = experiment(tmp_path, [TRUTH, WEAK, IMPLICIT], seeds=(0,))
    before = prediction_hashes(told, tmp_path / "store")
    frozen_split_with_other_truth(told, tmp_path / "store", tmp_path / "permuted")
    (second,) = (tmp_path / "store" / "data").glob("*/second_gold.parquet")
    assert second.is_file()
    after = prediction_hashes(told, tmp_path / "permuted")
    moved = {name: roles["student"] != after[name]["student"] for name, roles in before.items()}
    assert moved == {"explicit": True, "weak-gate": False, "implicit": False}
    assert all(roles["weak"] == after[name]["weak"] for name, roles in before.items())
    gates = [one for one in plan(told).stages if isinstance(one, LabelExplicit)]
    assert {(one.gate, one.gold is None) for one in gates} == {("truth", False), ("weak_label", True)}


def test_a_task_without_a_second_goal_and_a_missing_size_say_so(blind: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"methods\.0\.conflict: implicit learns true labels of a second goal"):
        plan(parse(study(tmp_path, (0,), methods=[IMPLICIT]), tmp_path))
    with pytest.raises(ExperimentError, match=r"task\.second: the key is missing"):
        plan(replace(experiment(blind, [IMPLICIT]), second=None))


@pytest.mark.parametrize("schedule", [{"early_stopping": {"lengths": [2, 5]}}, "weak_few_shot"])
def test_schedules_that_a_conflict_does_not_suit(schedule: Any, tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=[TRUTH | {"schedule": schedule}])
    with pytest.raises(ExperimentError, match=r"methods\.0\.conflict: .* judges or prompts by the labels"):
        plan(parse(values, tmp_path))


def test_too_small_a_pool_says_by_how_much_before_anything_runs(blind: Path) -> None:
    small = experiment(blind, [IMPLICIT], seeds=(0,), split={"pool": 1000})
    with pytest.raises(TaskError, match=r"(?s)Too few items for the second split of seed 0: found 100, wanted 300"):
        run(small, store=blind / "small")
    assert not (blind / "small" / "data").exists()


def test_other_stages_than_the_comparison_know_nothing_of_conflicts(blind: Path) -> None:
    """A study without one has the stages that it had: a second size changes nothing."""
    plain = plan(experiment(blind, ["naive"]))
    sized = plan(replace(experiment(blind, ["naive"]), second=77))
    assert plain.compare.digest == sized.compare.digest
    assert "not_run" not in plain.compare.settings
    assert all("without_conflict" not in row for row in plain.compare.settings["rows"])


def test_numbers_of_a_conflict_are_the_same_when_made_again(results: Results, blind: Path) -> None:
    methods = ["naive", TRUTH, WEAK, IMPLICIT]
    again = run(experiment(blind, methods), store=blind / "again")
    for method in ("explicit", "implicit"):
        np.testing.assert_equal(found(again, method), found(results, method))
