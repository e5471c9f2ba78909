"""Control (e): texts that say what the supervisor answers, and students that can do no better than to copy it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from test_features import planted as study_of_features
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from test_tasks_pairs import experiment as study_of_pairs
from tiny_models import save, tiny_llama
from tiny_study import FILLER, study

from trimtab.comparison.controls import CONTROLS, USUAL
from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.results import Results
from trimtab.stages.hint import HINT, TextHinted
from trimtab.store import Store
from trimtab.study import run


def spelt(folder: Path, items: int = 1000) -> dict[str, Any]:
    """Write texts whose five words of opinion are mostly right, an annotator who errs in a fifth, and a model that
    sees how often each word is there.

    Ten words, the two class names and what frames them are fewer than the model's 32 directions, so that a linear
    head reads the written answer exactly. The annotator is as sure of every answer: its label is the written answer.
    """
    import torch

    generator = np.random.default_rng(0)
    rows = []
    for number in range(items):
        label = int(generator.integers(2))
        told = [("awful", "great")[label if generator.random() < 0.85 else 1 - label] for _ in range(5)]
        words = [*generator.choice(FILLER[:8], 6), *told]
        rows.append({"id": f"r{number:04d}", "text": " ".join([*words, f"n{number}"]), "label": ("no", "yes")[label]})
    with (folder / "spelt.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["id", "text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    torch.manual_seed(7)
    model = save(tiny_llama(1), folder / "model", encoder=False)
    fit = {"kind": "probe", "strengths": [1e-4]}
    return {
        "name": "spelt",
        "task": {"kind": "file", "path": "spelt.csv", "id": "id", "classes": ["no", "yes"],
                 "prompt": "review : {text} answer :", "supervisor": 20, "transfer": 400, "test": 400},
        "weak": [{"annotator": {}}],
        "strong": [{"model": str(model), "layer": 0, "pooling": "mean", "fit": fit}],
        "methods": ["naive"],
        "controls": ["trivial_imitation"],
        "metrics": ["accuracy"],
        "seeds": [0, 1],
    }  # fmt: skip


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Results, Path]:
    folder = tmp_path_factory.mktemp("copied")
    values = spelt(folder)
    return values, run(parse(values, folder), store=folder / "store", runs=folder / "runs"), folder


def test_a_student_that_reads_the_answer_is_its_supervisor(copied: tuple[dict[str, Any], Results, Path]) -> None:
    results = copied[1]
    row, naive = results.row("trivial_imitation", "accuracy"), results.row("naive", "accuracy")
    assert (row["control"], row["truth"]) == ("trivial_imitation", "oracle")  # as the annotator's labels are
    assert row["student"]["mean"] == row["weak_score"]["mean"] == pytest.approx(0.8, abs=0.06)
    assert row["pgr"]["value"] == 0 and row["pgr"]["status"] == "ok"
    assert row["agreement"]["when_weak_right"]["mean"] == row["agreement"]["when_weak_wrong"]["mean"] == 1
    assert row["diagnostics"]["errors"]["inherited"]["mean"] == 1
    # without the answers in the texts the same labels teach more than they know
    assert naive["student"]["mean"] > naive["weak_score"]["mean"] + 0.03
    assert naive["agreement"]["when_weak_wrong"]["mean"] < 0.4


def test_the_page_names_control_e_and_says_nothing_of_controls_that_were_not_asked_for(
    copied: tuple[dict[str, Any], Results, Path],
) -> None:
    _, results, folder = copied
    page = (folder / "runs" / "spelt" / "report.html").read_text("utf-8")
    assert "(e) trivial imitation" in page
    assert "no_zero_shot" not in {one["code"] for one in results.warnings}


def test_every_text_holds_the_answer_and_nothing_holds_truth(copied: tuple[dict[str, Any], Results, Path]) -> None:
    values, _, folder = copied
    store = Store.open(folder / "store")
    for stage in plan(parse(values, folder)).stages:
        if not isinstance(stage, TextHinted):
            continue
        made, data, told = (store.folder(one.kind, one.digest) for one in (stage, stage.data, stage.predictions))
        assert sorted(path.name for path in made.iterdir()) == ["data.json", "items.parquet", "manifest.json"]
        plain = pq.read_table(data / "items.parquet").to_pydict()
        text_of = dict(zip(plain["id"], plain["text"], strict=True))
        answers = pq.read_table(told / "predictions.parquet").to_pydict()
        answer_of = {
            one: ("no", "yes")[int(p1 > p0)]
            for one, p0, p1 in zip(answers["id"], answers["p0"], answers["p1"], strict=True)
        }
        hinted = pq.read_table(made / "items.parquet").to_pydict()
        assert set(hinted["id"]) == set(answer_of) and len(hinted["id"]) == 800
        for one, text in zip(hinted["id"], hinted["text"], strict=True):
            assert text == HINT.format(answer=answer_of[one]) + text_of[one]


def test_agreement_rises_where_the_answer_is_written_into_the_text(tmp_path: Path) -> None:
    values = study(tmp_path, (0, 1), methods=["naive"], controls=["trivial_imitation"], metrics=["accuracy"])
    results = run(parse(values, tmp_path), store=tmp_path / "store")
    naive, copy = (results.row(name, "accuracy")["agreement"] for name in ("naive", "trivial_imitation"))
    assert copy["when_weak_wrong"]["mean"] > naive["when_weak_wrong"]["mean"] + 0.05
    assert copy["when_weak_right"]["mean"] > naive["when_weak_right"]["mean"]


def test_a_tuned_student_reads_the_answers_too(tmp_path: Path) -> None:
    tune = {"kind": "tune", "epochs": 2, "layers": {"top": 1}}
    values = study(tmp_path, (0,), methods=["naive"], controls=["trivial_imitation"], metrics=["accuracy"])
    strong = {"model": values["strong"][0]["model"], "fit": tune, "precision": "fp32"}
    experiment = parse(values | {"strong": [strong]}, tmp_path)
    stages = [one for one in plan(experiment).stages if isinstance(one.inputs.get("data"), TextHinted)]
    assert {type(one).__name__ for one in stages} == {"Prefix", "TrainTune", "PredictTuned"}
    row = run(experiment, store=tmp_path / "store").row("trivial_imitation", "accuracy")
    assert 0 <= row["student"]["mean"] <= 1 and row["labels"]["kept"] == 100


def test_the_answers_of_a_supervisor_hold_no_truth_of_the_students_items(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"], controls=["trivial_imitation"], metrics=["accuracy"])
    experiment = parse(values, tmp_path)
    before = prediction_hashes(experiment, tmp_path / "store")
    frozen_split_with_other_truth(experiment, tmp_path / "store", tmp_path / "permuted")
    for stage in plan(experiment).stages:
        if isinstance(stage.inputs.get("data"), TextHinted) and stage.kind == "embed":
            shutil.rmtree(tmp_path / "permuted" / "embed" / stage.digest)  # to be made again from the new truth
    after = prediction_hashes(experiment, tmp_path / "permuted")
    for role, same in (("weak", True), ("student", True), ("ceiling", False)):
        assert (after["trivial_imitation"][role] == before["trivial_imitation"][role]) == same, role


def test_controls_may_be_named(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"])
    assert parse(values | {"controls": True}, tmp_path).controls == USUAL == tuple(CONTROLS)[:4]
    assert parse(values | {"controls": False}, tmp_path).controls == ()
    assert parse(values | {"controls": []}, tmp_path).controls == ()
    some = parse(values | {"controls": ["trivial_imitation", "flipped_truth"]}, tmp_path)
    rows = plan(some).compare.rows
    assert [row.control for row in rows] == [None, "flipped_truth", "trivial_imitation"]
    usual, every = (plan(parse(values | {"controls": given}, tmp_path)) for given in (True, list(CONTROLS)))
    kept = {one.digest for one in usual.stages if one.kind != "compare"}
    assert kept < {one.digest for one in every.stages}
    assert usual.compare.rows == every.compare.rows[:-1]


REFUSED = {
    "another name": (lambda folder: study(folder, (0,), controls=["zero_shots"]), r'controls\.0: .*"zero_shot"'),
    "a number": (lambda folder: study(folder, (0,), controls=[1]), r"controls\.0: found 1"),
    "features": (study_of_features, r"controls: trivial_imitation .* strong\.0, .*, is a table of features"),
    "pairs": (study_of_pairs, "controls: trivial_imitation .* a task of kind pairs does not allow"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_no_answer_can_be_written_the_control_is_refused(case: str, tmp_path: Path) -> None:
    make, message = REFUSED[case]
    values = {"controls": ["trivial_imitation"], **make(tmp_path)}
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values, tmp_path))


def test_streamed_texts_are_refused(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), controls=["trivial_imitation"])
    pq.write_table(pa_csv.read_csv(values["task"]["path"]), tmp_path / "reviews.parquet")
    values["task"] |= {"kind": "stream", "path": str(tmp_path / "reviews.parquet")}
    with pytest.raises(ExperimentError, match="a task of kind stream does not allow"):
        plan(parse(values | {"split": {}}, tmp_path))
