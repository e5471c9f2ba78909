"""What a plan finds out before anything is run, and that a run finds the same before its first stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from datasets import Dataset
from tiny_models import LAYERS, save, tiny_bert, tiny_gpt2, tiny_llama
from tiny_study import study, write_reviews

from trimtab.cli import run_command
from trimtab.comparison.parts import LENGTH
from trimtab.errors import ExperimentError, TaskError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import parse
from trimtab.forecast import forecast, forecast_text
from trimtab.metrics.resolution import resolvable_gap
from trimtab.plan import plan
from trimtab.preflight import generalize as module
from trimtab.preflight import preflight
from trimtab.preflight.relabelled import written_over
from trimtab.store import Store


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.set_num_threads(1)
    return study(tmp_path_factory.mktemp("preflight"), seeds=(0,), methods=["naive"], controls=False)


def task(values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    chosen = {**values["task"], **changes}
    return {**values, "task": {key: one for key, one in chosen.items() if one is not None}}


WRONG = {
    "too few": ({"transfer": 5000}, {}, "Too few items for the splits: found"),
    "no column": ({"label": "stars"}, {}, 'no column "stars", which the setting "label" asks for'),
    "another class": ({"classes": ["bad", "fine"]}, {}, 'found label "good"; wanted one of the setting "classes"'),
    "no file": ({"path": "/nowhere/reviews.csv"}, {}, "/nowhere/reviews.csv does not exist"),
    "layer": ({}, {"strong": 4}, f"strong.0.layer: found 4, wanted 0 (the embeddings) to {LAYERS}"),
    "layer below": ({}, {"weak": -1}, "weak.0.layer: found -1, wanted 0 (the embeddings) to 1"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_it_is_said_in_one_line_and_nothing_is_run(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    changes, layers, message = WRONG[case]
    chosen = task(values, **changes) | ({} if case != "too few" else {"split": {}})
    for room, layer in layers.items():
        chosen[room] = [chosen[room][0] | {"layer": layer}]
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump(chosen), "utf-8")
    more = ["--runs", str(tmp_path / "runs")] if command == "run" else []
    assert run_command([command, str(file), "--store", str(tmp_path / "store"), *more]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not list((tmp_path / "store").glob("*/*"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("model", ["nowhere", "empty"])
def test_a_plan_names_a_model_that_is_not_there(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    (tmp_path / "empty").mkdir()
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump({**values, "strong": [{"model": str(tmp_path / model)}]}), "utf-8")
    assert run_command(["plan", str(file), "--store", str(tmp_path / "store")]) == 2
    assert str(tmp_path / model) in capsys.readouterr().err


def grouped(values: dict[str, Any], folder: Path, **sizes: int) -> dict[str, Any]:
    """Return a study on twenty groups of ten items."""
    rows = [(f"r{k}", f"text number {k} {k * 7}", ("bad", "good")[k % 2], k // 10) for k in range(200)]
    path = folder / "grouped.csv"
    path.write_text("\n".join(["id,text,label,group", *(",".join(map(str, row)) for row in rows)]), "utf-8")
    return task(values, path=str(path), group="group", **sizes) | {"split": {}}


def test_a_plan_says_that_test_items_come_in_groups(values: dict[str, Any], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    found = forecast(parse(grouped(values, tmp_path, supervisor=50, transfer=50, test=40), tmp_path), store)
    assert 4 <= found["test_groups"] <= 20 < found["test_items"] == 40
    assert f"the test items fall into {found['test_groups']} groups" in forecast_text(found)
    alone = forecast(parse(values, tmp_path), store)
    assert alone["test_groups"] == alone["test_items"] and "groups" not in forecast_text(alone)


def test_a_seed_that_groups_leave_too_little_for(values: dict[str, Any], tmp_path: Path) -> None:
    """Twenty groups of ten: a supervisor split of 95 leaves no whole groups for a transfer split of 95."""
    experiment = parse(grouped(values, tmp_path, supervisor=95, transfer=95, test=10), tmp_path)
    with pytest.raises(TaskError, match="Too few items for the transfer split of seed 0"):
        preflight(experiment, plan(experiment), Store.open(tmp_path / "store"))


def test_the_size_of_a_test_split_of_its_own_is_read_from_the_data(values: dict[str, Any], tmp_path: Path) -> None:
    lines = write_reviews(tmp_path / "r.csv", 300).read_text("utf-8").splitlines()
    marked = [f"{line},{'test' if k % 3 == 0 else 'train'}" for k, line in enumerate(lines[1:])]
    path = tmp_path / "own.csv"
    path.write_text("\n".join([f"{lines[0]},part", *marked]), "utf-8")
    chosen = task(values, path=str(path), split="part", supervisor=50, transfer=50, test=None) | {"split": {}}
    experiment = parse(chosen, tmp_path)
    store = Store.open(tmp_path / "store")
    found = forecast(experiment, store)
    planned = plan(experiment)
    run_stages(planned.stages[:1], store, 1, Quiet())
    assert planned.stages[0].kind == "data"
    stored = json.loads((store.folder("data", planned.stages[0].digest) / "data.json").read_text("utf-8"))["test"]
    assert 80 < stored <= 100
    assert found["test_items"] == stored
    assert found["smallest_gap"] == resolvable_gap(stored)
    assert forecast(experiment, store)["test_items"] == stored  # from what is cached now


def test_what_was_read_before_is_not_read_again(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, store = parse(values, tmp_path), Store.open(tmp_path / "store")
    run_stages(plan(experiment).stages[:1], store, 1, Quiet())
    first = preflight(experiment, plan(experiment), store)

    def refused(_: object) -> None:
        raise AssertionError("the data were read again")

    monkeypatch.setattr("trimtab.tasks.file.File.read", refused)
    assert preflight(experiment, plan(experiment), store) == first


def test_a_plan_says_what_is_left_out_of_the_data(values: dict[str, Any], tmp_path: Path) -> None:
    lines = write_reviews(tmp_path / "r.csv", 400).read_text("utf-8").splitlines()
    again = [line.replace("r", "again-", 1) for line in lines[1:4]]
    (tmp_path / "r.csv").write_text("\n".join([*lines, *again]), "utf-8")
    experiment = parse(task(values, path=str(tmp_path / "r.csv")), tmp_path)
    found = forecast(experiment, Store.open(tmp_path / "store"))
    assert found["dropped"]["duplicate"] == 3
    assert "items left out of the data: 3 duplicate" in forecast_text(found)


def test_a_cut_of_a_number_that_the_items_do_not_have(values: dict[str, Any], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    wrong, right = (parse({**values, "cuts": {name: [9]}}, tmp_path) for name in ("lenght", LENGTH))
    for _ in range(2):  # from the file, then from what is cached
        with pytest.raises(ExperimentError, match=r"cuts: no number is called lenght; there are .*text length in"):
            preflight(wrong, plan(wrong), store)
        preflight(right, plan(right), store)
        run_stages(plan(right).stages[:1], store, 1, Quiet())


def test_large_data_are_left_to_their_stage(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_FILE_BYTES", 100)
    experiment = parse(task(values, label="stars"), tmp_path)
    found = preflight(experiment, plan(experiment), Store.open(tmp_path / "store"))
    assert found.test_items is None
    assert forecast(experiment, Store.open(tmp_path / "store"))["test_items"] == 80  # what the file asks for


def test_a_saved_data_set_is_checked_without_torch(values: dict[str, Any], tmp_path: Path) -> None:
    rows = {"text": [f"text number {k}" for k in range(90)], "label": [("bad", "good")[k % 2] for k in range(90)]}
    Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    sizes = {"supervisor": 30, "transfer": 30, "test": 30}
    chosen = {**values, "task": {"kind": "hub", "path": str(tmp_path / "saved"), **sizes}, "split": {}}
    file = tmp_path / "e.yaml"
    for test, code in ((30, 0), (31, 2)):
        chosen["task"]["test"] = test
        file.write_text(yaml.safe_dump(chosen), "utf-8")
        script = (
            "import sys; from trimtab.cli import run_command; "
            "print(run_command(sys.argv[1:]), 'torch' in sys.modules, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, "plan", str(file), "--store", str(tmp_path / "store")],
            capture_output=True, text=True, check=True, env=os.environ,
        )  # fmt: skip
        assert done.stderr.splitlines()[-1] == f"{code} False", done.stderr


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2, tiny_bert])
def test_the_deepest_layer_is_allowed_for_every_architecture(values: dict[str, Any], tmp_path: Path, make: Any) -> None:
    model = save(make(2), tmp_path / "model", encoder=make is tiny_bert)
    for layer in (0, 2):
        experiment = parse({**values, "weak": [{"model": str(model), "layer": layer}]}, tmp_path)
        preflight(experiment, plan(experiment), Store.open(tmp_path / "store"))
    with pytest.raises(ExperimentError, match=r"^weak\.0\.layer: found 3, wanted 0 \(the embeddings\) to 2"):
        deeper = parse({**values, "weak": [{"model": str(model), "layer": 3}]}, tmp_path)
        preflight(deeper, plan(deeper), Store.open(tmp_path / "store"))


def test_a_causal_model_that_is_not_asked_is_pointed_out(values: dict[str, Any], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")

    def warnings(**changes: Any) -> tuple[str, ...]:
        experiment = parse({**task(values, prompt=None), **changes}, tmp_path)
        return preflight(experiment, plan(experiment), store).warnings

    (text,) = warnings()
    strong = values["strong"][0]["model"]
    assert text.startswith(f"{strong} reads each text bare")  # the encoder is not named: it is never asked
    assert "`prompt:`" in text
    assert warnings(strong=[values["strong"][0] | {"template": "review : {text} answer :"}]) == ()
    asked = parse(values, tmp_path)
    assert preflight(asked, plan(asked), store).warnings == ()
    assert text in forecast(parse(task(values, prompt=None), tmp_path), store)["notes"]


def test_a_run_says_it_too_and_a_plan_has_one_line_for_a_column_that_is_not_used(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump(task(values, prompt=None, id=None)), "utf-8")
    assert run_command(["plan", str(file), "--store", str(tmp_path / "store")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if 'has a column "id"' in line] == [
        'note: reviews.csv has a column "id", which is not used: a column counts only where the task names it. '
        "If it is meant, add `id: id` to the task."
    ]
    assert sum("reads each text bare" in line for line in lines) == 1
    command = ["run", str(file), "--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs")]
    assert run_command([*command, "--set", "metrics=[accuracy]"]) == 0
    assert "reads each text bare" in capsys.readouterr().err
    results = json.loads((tmp_path / "runs" / "tiny" / "results.json").read_text("utf-8"))
    assert any('has a column "id"' in one["text"] for one in results["warnings"])


@pytest.mark.parametrize(
    ("method", "because"),
    [
        ({"labels": ["ground_truth", "rebalance", "co_supervision"]}, "co_supervision mixes"),
        ({"labels": ["co_supervision", "ground_truth"]}, None),
        ({"labels": ["ground_truth"], "schedule": "strong_to_strong"}, "strong_to_strong relabels every item"),
        ({"labels": ["ground_truth"], "schedule": {"strong_to_strong": {"rounds": 0}}}, None),
        ({"labels": ["ground_truth"], "schedule": {"chain": {"through": ["m"]}}}, "chain relabels every item"),
        ({"labels": ["ground_truth"], "schedule": "chain"}, None),
        ({"labels": ["rebalance"], "schedule": {"chain": {"through": ["m"]}}}, None),
        ({"labels": ["ground_truth"]}, None),
    ],
)
def test_truth_that_is_written_over_is_told(
    values: dict[str, Any], tmp_path: Path, method: dict[str, Any], because: str | None
) -> None:
    experiment: Any = parse(values | {"methods": ["naive", {"name": "bought", **method}]}, tmp_path)
    told = list(written_over(experiment))
    assert len(told) == (because is not None)
    assert all(one.startswith("bought: the student is not told the truth") and str(because) in one for one in told)


def test_a_plan_tells_of_truth_that_is_written_over(values: dict[str, Any], tmp_path: Path) -> None:
    lost = {"name": "lost", "labels": [{"ground_truth": {"budget": 5}}], "schedule": "strong_to_strong"}
    experiment = parse(values | {"methods": ["naive", lost]}, tmp_path)
    (text,) = preflight(experiment, plan(experiment), Store.open(tmp_path / "store")).warnings
    assert text.startswith("lost: the student is not told the truth that ground_truth buys")
