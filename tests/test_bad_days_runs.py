"""Whole runs on bad days: interrupted, doubled, without network, with a broken objective, with hardly any data."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from killed_children import end_child, run_child, seconds_outlived, start_child
from killed_runs import artifacts, finished, kill_runs, link_readings, measured, run_twice_at_once
from tiny_study import study
from toy_stages import workers_of

from trimtab.cli import run_command
from trimtab.errors import ExperimentError, StageError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.store import Store
from trimtab.study import run

KILLS = 10
"""Kills of a whole run, with one worker and with two."""
COMMAND_KILLS = 2
"""Those of them that meet the real command; the others meet a fork that does the same without its long start."""


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.set_num_threads(1)
    return study(tmp_path_factory.mktemp("study"), seeds=(0,), methods=["naive", {"confidence": {"alpha": 0.5}}])


def write(folder: Path, values: dict[str, Any], **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(values | changes), "utf-8")
    return path


def start(file: Path, store: Path, *more: str) -> subprocess.Popen[str]:
    """Start a real `trimtab run` in a process group of its own, as a terminal would."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "trimtab",
            "run",
            str(file),
            "--store",
            str(store),
            "--runs",
            str(file.parent / "runs"),
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Results and store of one worker, one thread, one go."""
    store = tmp_path_factory.mktemp("undisturbed")
    return dict(run(parse(values, store), store=store).data), store


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_and_then_again(
    values: dict[str, Any], undisturbed: tuple[dict[str, Any], Path], tmp_path: Path, workers: str
) -> None:
    file, store = write(tmp_path, values), tmp_path / "store"
    process = start(file, store, "--workers", workers)
    wait_for(lambda: list(store.glob("embed/*.out")), process)
    children = workers_of(process.pid)
    assert len(children) == (2 if workers == "2" else 0)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last == "trimtab: interrupted; finished stages are kept, run again to go on"
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    finished = artifacts(store)
    assert not any(
        path.suffix == "" and not (path / "manifest.json").is_file() for path in store.glob("*/*") if path.is_dir()
    )
    assert not (file.parent / "runs").exists()
    again = run(parse(values, tmp_path), store=store)
    assert measured(dict(again.data)) == measured(undisturbed[0])
    assert artifacts(store) == artifacts(undisturbed[1])
    assert finished.items() <= artifacts(store).items()
    cached = {(one["kind"], one["digest"]) for one in again.data["stages"] if one["cached"]}
    assert cached == set(finished)


def test_two_runs_of_one_file_at_once(
    values: dict[str, Any], undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    assert run_child(run_twice_at_once, str(write(tmp_path, values)), str(tmp_path)) == 0
    first, second = (json.loads((tmp_path / f"out{number}").read_text()) for number in (0, 1))
    assert measured(first) == measured(second) == measured(undisturbed[0])
    made = [{one["digest"] for one in results["stages"] if not one["cached"]} for results in (first, second)]
    assert not made[0] & made[1]
    assert made[0] | made[1] == {one["digest"] for one in first["stages"]}
    said = "".join((tmp_path / f"err{number}").read_text() for number in (0, 1))
    assert "another process is making" in said
    assert json.loads((tmp_path / "runs" / "tiny" / "results.json").read_text())["rows"] == first["rows"]


def test_runs_are_killed_at_any_moment_and_run_again(
    values: dict[str, Any], undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    """With one worker and with two, which give what one gives; the worker processes die with the run."""
    file, kills = write(tmp_path, values), KILLS - COMMAND_KILLS
    folders = {workers: tmp_path / f"{workers} workers" for workers in (1, 2)}
    children = []
    for workers, folder in folders.items():
        folder.mkdir()
        children.append(start_child(kill_runs, str(file), str(undisturbed[1]), str(folder), workers, kills))
    assert [end_child(child, 900) for child in children] == [0, 0]
    for folder in folders.values():
        report = json.loads((folder / "report.json").read_text())
        assert report["kills"] == kills
        assert report["half done"] >= kills // 4
        assert report["seconds outlived"] < 5
        results = json.loads((folder / "undisturbed" / "runs" / "tiny" / "results.json").read_text())
        assert measured(results) == measured(undisturbed[0])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_command_is_killed_and_run_again(
    values: dict[str, Any], undisturbed: tuple[dict[str, Any], Path], tmp_path: Path, workers: str
) -> None:
    """As a user starts it: the first from nothing, the second where the models have been read before."""
    file, store = write(tmp_path, values), tmp_path / "store"
    if workers == "2":
        link_readings(plan(parse(values, tmp_path)).stages, undisturbed[1], store)
    moments = random.Random(workers)
    for _ in range(COMMAND_KILLS):
        process = start(file, store, "--workers", workers)
        enough = moments.randint(finished(store) + 1, finished(store) + 8)
        wait_for(lambda enough=enough: finished(store) >= enough, process)
        time.sleep(moments.random() * 0.1)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert seconds_outlived(process.pid) < 5
    again = run(parse(values, tmp_path), store=store)
    assert measured(dict(again.data)) == measured(undisturbed[0])
    assert artifacts(store) == artifacts(undisturbed[1])


OFFLINE = """
import socket, sys

def refused(*arguments, **_):
    print("NETWORK", arguments[1:], file=sys.stderr)
    raise OSError("blocked")

for name in ("connect", "connect_ex"):
    setattr(socket.socket, name, refused)
for name in ("getaddrinfo", "create_connection", "gethostbyname"):
    setattr(socket, name, refused)
from trimtab.cli import run_command
sys.exit(run_command(sys.argv[1:]))
"""


def test_no_network_is_asked_for(
    values: dict[str, Any], undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    tuned = {"kind": "tune", "rank": 2, "epochs": 1}
    strong = [*values["strong"], {"model": values["strong"][0]["model"], "fit": tuned}]
    file = write(tmp_path, values, strong=strong, methods=["naive"], metrics=["accuracy"], controls=False)
    command = [
        sys.executable,
        "-c",
        OFFLINE,
        "run",
        str(file),
        "--store",
        str(tmp_path / "store"),
        "--runs",
        str(tmp_path),
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(command, capture_output=True, text=True, env=clean | {"OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr


def test_a_model_that_is_not_there_is_known_before_anything_is_run(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for model, words in ((tmp_path / "no such", "does not exist"), (tmp_path / "empty", "holds no weights")):
        strong = [values["strong"][0] | {"model": str(model)}]
        with pytest.raises(ExperimentError, match=rf"strong\.0\.model: .*{words}"):
            run(parse(values | {"strong": strong}, tmp_path), store=tmp_path / "store")
        file = write(tmp_path, values, strong=strong)
        assert run_command(["run", str(file), "--store", str(tmp_path / "store")]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert err.startswith("trimtab: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_weights_of_another_shape_fail_in_their_stage_and_the_rest_goes_on(
    values: dict[str, Any], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(values["strong"][0]["model"]).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 64, "head_dim": 16}))
    experiment = parse(values | {"strong": [*values["strong"], {"model": str(broken)}]}, tmp_path)
    with pytest.raises(StageError, match="broken") as caught:
        run(experiment, store=tmp_path / "store")
    assert "could not be tried" in str(caught.value)
    opened = Store.open(tmp_path / "store")
    others = plan(parse(values, tmp_path)).stages
    assert all(opened.has(one.kind, one.digest) for one in others if one.kind != "compare")


@pytest.mark.parametrize("classes", [["bad", "good"], ["bad"]])
def test_labels_of_one_class(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: list[str]
) -> None:
    data = tmp_path / "one.csv"
    text = Path(values["task"]["path"]).read_text("utf-8")
    data.write_text(text.replace(",good", ",bad"), "utf-8")
    file = write(tmp_path, values, task=values["task"] | {"path": str(data), "classes": classes})
    code = run_command(["run", str(file), "--store", str(tmp_path / "store"), "--runs", str(tmp_path)])
    err = capsys.readouterr().err
    assert code == 2
    assert "class" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not list((tmp_path / "store").glob("embed/*/manifest.json"))


def test_a_test_split_of_five_items_runs_with_wide_intervals_and_a_warning(
    values: dict[str, Any], tmp_path: Path
) -> None:
    results = run(parse(values | {"task": values["task"] | {"test": 5}}, tmp_path), store=tmp_path / "store")
    row = results.row("naive", "accuracy")
    assert row["n_test"] == 5
    low, high = row["weak_score"]["low"], row["weak_score"]["high"]
    assert high - low >= 0.3 or low == high in (0, 1)
    assert row["pgr"]["value"] is None or row["pgr"]["status"] != "ok"
    assert any("5" in one["text"] and "test" in one["text"] for one in results.warnings), results.warnings
    differences = [one["vs_naive"] for one in results.rows if one["vs_naive"]]
    assert differences
    assert all(-1 <= one["low"] < one["high"] <= 1 for one in differences if one["low"] is not None)
    assert results.table()


def test_five_right_answers_of_five_have_a_wide_interval(values: dict[str, Any], tmp_path: Path) -> None:
    results = run(parse(values | {"task": values["task"] | {"test": 5}}, tmp_path), store=tmp_path / "store")
    student = results.row("naive", "accuracy")["student"]
    assert student["mean"] == 1
    assert student["low"] <= 0.6


def test_a_zero_shot_control_that_cannot_be_asked_costs_nothing_but_itself(
    values: dict[str, Any], tmp_path: Path
) -> None:
    data = tmp_path / "other.csv"  # "lemon" and "melon" are one unknown token to the tiny tokenizer
    text = Path(values["task"]["path"]).read_text("utf-8")
    data.write_text(text.replace(",good", ",lemon").replace(",bad", ",melon"), "utf-8")
    task = values["task"] | {"path": str(data), "classes": ["melon", "lemon"]}
    results = run(parse(values | {"task": task}, tmp_path), store=tmp_path / "store", runs=tmp_path)
    assert {one["control"] for one in results.rows} == {False, "flipped_truth", "weak_on_weak", "weak_on_truth"}
    (said,) = [one for one in results.warnings if one["code"] == "no_zero_shot"]
    assert said["row"] == "s0"
    assert "do not give different, non-empty tokens" in said["text"]
    assert results.export(tmp_path / "out")


OBJECTIVE = """
from dataclasses import dataclass
from trimtab.objectives.naive import Naive, cross_entropy
{before}
@dataclass(frozen=True)
class {name}(Naive):
    def __call__(self, logits, labels, context):
        {body}
"""

BROKEN = {
    "raises at import": ({"before": "1 / 0", "body": "pass"}, r'own.py", line 4, raised ZeroDivision'),
    "leaves Python": ({"before": "raise SystemExit(3)", "body": "pass"}, "raised SystemExit: 3"),
    "is not Python": ({"before": "def (", "body": "pass"}, "raised SyntaxError"),
    "lacks the class": ({"name": "Ownn", "body": "pass"}, r'has no class "Own". Did you mean "Ownn"\?'),
}  # fmt: skip


def with_objective(folder: Path, values: dict[str, Any], before: str = "", body: str = "", name: str = "Own") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(OBJECTIVE.format(before=before, body=body, name=name))
    return write(folder, values, methods=[{"name": "own", "objective": "own.py:Own"}, "naive"], controls=False)


@pytest.mark.parametrize("case", BROKEN)
def test_an_objective_that_cannot_be_loaded(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    parts, message = BROKEN[case]
    file = with_objective(tmp_path, values, **parts)
    assert run_command(["run", str(file), "--store", str(tmp_path / "store")]) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err), captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "store").exists()


SHAPE = "returned the shape"
RAISING = {
    "raises": ("raise KeyError('left out')", "KeyError: 'left out'"),
    "returns a mean": ("return cross_entropy(logits, labels).mean()", SHAPE),
    "returns one value per class": ("return labels * logits", SHAPE),
    "returns NaN": ("return cross_entropy(logits, labels) * float('nan')", "At logits of 0.* its loss is nan for"),
    "returns a number": ("return 0.5", "returned the number 0.5; wanted a tensor"),
}


@pytest.mark.parametrize("case", RAISING)
def test_an_objective_that_fails_stops_only_its_own_fits(values: dict[str, Any], tmp_path: Path, case: str) -> None:
    body, message = RAISING[case]
    file = with_objective(tmp_path, values, body=body)
    experiment = parse(yaml.safe_load(file.read_text()), tmp_path)
    with pytest.raises(StageError, match=message) as caught:
        run(experiment, store=tmp_path / "store")
    text = str(caught.value)
    assert text.count("\n") == 0
    assert re.search(r"\(fit probe, own\) failed for method own \(weak -> strong\), seed \d: ", text)
    log = Path(text.partition("[log: ")[2].partition("]")[0])
    assert "Traceback" in log.read_text()
    opened = Store.open(tmp_path / "store")
    naive = plan(parse(values | {"methods": ["naive"], "controls": False}, tmp_path)).stages
    assert all(opened.has(one.kind, one.digest) for one in naive if one.kind != "compare")
