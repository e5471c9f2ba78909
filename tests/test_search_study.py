"""A whole search study on tiny models: from the experiment file to rows, table and page."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import save, tiny_llama
from tiny_study import write_reviews

from trimtab.cli import run_command
from trimtab.errors import ExperimentError, TrimtabError
from trimtab.experiment import SearchExperiment, parse
from trimtab.plan import plan
from trimtab.preflight import preflight
from trimtab.results import Results
from trimtab.stages.search.answer import AnswerPrompts
from trimtab.stages.tables import read_table
from trimtab.store import Store
from trimtab.study import run

METHODS = [
    "sample",
    "guide_alone",
    {"best_of_n": {"samples": 2}},
    {"best_of_n": {"samples": 4}},
    {"cbs": {"width": 2, "samples": 2, "chunk": 2}},
    {"eft": {"weight": 0.5}},
    {"args": {"candidates": 3}},
    {"deal": {"width": 1, "samples": 2, "chunk": 2, "look_ahead": 1}},
    {"qalign": {"steps": 3}},
    {"name": "by-value", "cbs": {"width": 1, "samples": 3, "chunk": 2}, "scorer": "value"},
    {"name": "by-proxy", "best_of_n": {"samples": 3}, "scorer": "proxy"},
    {"name": "oracle", "best_of_n": {"samples": 4}, "scorer": "gold"},
]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


def search_values(folder: Path, made: bool = False, **changes: Any) -> dict[str, Any]:
    """Write data and models into `folder` and return the experiment's values."""
    folder.mkdir(parents=True, exist_ok=True)
    data = write_reviews(folder / "reviews.csv", 160)
    models = {}
    for seed, name in enumerate(("base", "tuned", "untuned")):
        if not (folder / name).exists():
            torch.manual_seed(seed)
            save(tiny_llama(2), folder / name, encoder=False)
        models[name] = str(folder / name)
    fit = {"kind": "probe", "strengths": [0.1, 1.0]}
    reading = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3}
    own = {"model": models["base"], "blocks": 1, "pairs": 12, "read": reading, "prefer": {"batch_size": 8}}
    pair = {"tuned": models["tuned"], "untuned": models["untuned"]}
    values = {
        "name": "tiny-search",
        "study": "search",
        "task": {"kind": "file", "path": str(data), "id": "id", "classes": ["bad", "good"]},
        "split": {"proxy": 60, "gold": 60, "prompts": 9, "development": 6},
        "base": models["base"],
        "guide": own if made else pair,
        "rewards": {
            "proxy": {"model": models["untuned"], "layer": 0, "pooling": "mean", "fit": fit},
            "gold": {"model": models["tuned"], "layer": 0, "pooling": "mean", "fit": fit},
        },
        "prompt_words": 3,
        "max_new_tokens": 5,
        "value": {"prompts": 20, "samples": 2, "chunk": 2},
        "methods": METHODS,
        "seeds": [0, 1],
    }
    return values | changes


def searched(folder: Path, values: dict[str, Any], **how: Any) -> Results:
    experiment = parse(values, folder)
    assert isinstance(experiment, SearchExperiment)
    return run(experiment, store=folder / "store", **how)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_HOME", str(folder / "home"))
        return searched(folder, search_values(folder), runs=folder / "runs"), folder


def test_every_method_has_a_row_with_intervals_and_cost(results: tuple[Results, Path]) -> None:
    rows = {row["method"]: row for row in results[0].rows}
    assert list(rows) == ["sample", "guide_alone", "best_of_n-2", "best_of_n-4", "cbs-2-2-2", "eft-0.5", "args-3",
                          "deal-1-2-2-1", "qalign-3", "by-value", "by-proxy", "oracle"]  # fmt: skip
    for name, row in rows.items():
        for measure in ("gold", "proxy", "base_log_probability", "ngram_log_probability", "tokens"):
            block = row[measure]
            assert block["low"] <= block["mean"] <= block["high"] or block["reason"], (name, measure)
        assert row["cost"]["flops"] > 0
        assert row["cost"]["seconds"] > 0
        assert ("vs_base" in row) == (name != "sample")
    assert {name for name, row in rows.items() if row["truth"] == "oracle"} == {"oracle"}
    assert [rows[name]["best_of"] for name in ("sample", "best_of_n-2", "best_of_n-4", "by-proxy")] == [1, 2, 4, None]


def test_choosing_by_a_reward_raises_that_reward(results: tuple[Results, Path]) -> None:
    rows = {row["method"]: row for row in results[0].rows}
    # best of N holds the base's own sample among others, by the same random numbers
    assert rows["oracle"]["vs_base"]["gold"]["mean"] > 0
    assert rows["by-proxy"]["proxy"]["mean"] > rows["sample"]["proxy"]["mean"]


def test_twice_the_samples_cost_twice_the_tokens_but_the_prompt(results: tuple[Results, Path]) -> None:
    cost = {row["method"]: row["cost"]["flops"] for row in results[0].rows}
    assert cost["sample"] < cost["best_of_n-2"] < cost["best_of_n-4"] < 2 * cost["best_of_n-2"]
    assert cost["guide_alone"] == pytest.approx(cost["sample"], rel=0.3)  # as large a model, other ends


def test_a_second_run_makes_nothing(results: tuple[Results, Path]) -> None:
    found, folder = results
    again = searched(folder, search_values(folder))
    assert all(stage["cached"] for stage in again.data["stages"])
    assert again.rows == found.rows


def test_the_table_and_the_page_show_every_method(results: tuple[Results, Path]) -> None:
    found, folder = results
    text = found.table(everything=True)
    page = (folder / "runs" / "tiny-search" / "report.html").read_text("utf-8")
    for row in found.rows:
        assert row["method"] in text
        assert row["method"] in page
    assert "oracle (oracle)" in text
    assert page.count("<svg") == 2
    assert "Warnings" in page  # random guides know nothing
    assert [one["code"] for one in found.warnings if one["code"] == "poor_guide"] == ["poor_guide"]


def test_answers_are_exported_and_other_commands_refuse(
    results: tuple[Results, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, folder = results
    files = found.export(tmp_path / "out", Store.open(folder / "store"))
    assert len(files) == 2 * len(METHODS)
    table = read_table(tmp_path / "out" / "cbs-2-2-2-seed1.parquet")
    assert table.num_rows == 9
    gold = [row["gold"]["mean"] for row in found.rows if row["method"] == "cbs-2-2-2"]
    both = [read_table(tmp_path / "out" / f"cbs-2-2-2-seed{seed}.parquet")["gold"].to_numpy() for seed in (0, 1)]
    assert sum(one.mean() for one in both) / 2 == pytest.approx(gold[0])
    place = str(folder / "runs" / "tiny-search")
    for command in (["compare", place, place], ["rank", place, place]):
        assert run_command(command) == 2
        assert "tiny-search is a search study" in capsys.readouterr().err
    assert run_command(["report", place, "--figures", str(tmp_path / "figures")]) == 0
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        f"reward-{name}.{kind}" for name in ("compute", "fluency") for kind in ("pdf", "png")
    ]


def answers_of(folder: Path, values: dict[str, Any]) -> dict[str, list[str]]:
    """Return the answers of every method and seed by title."""
    planned, store = plan(parse(values, folder)), Store.open(folder / "store")
    stages = [one for one in planned.stages if isinstance(one, AnswerPrompts)]
    folders = {one.title: store.folder(one.kind, one.digest) for one in stages}
    return {
        title: [json.loads(line)["text"] for line in (place / "answers.jsonl").read_text("utf-8").splitlines()]
        for title, place in folders.items()
    }


def test_ground_truth_of_gold_and_prompts_reaches_no_method(tmp_path: Path) -> None:
    chosen = [one for one in METHODS if not (isinstance(one, dict) and one.get("name") == "oracle")]
    values = search_values(tmp_path, made=True, methods=chosen, seeds=[0])
    path = Path(values["task"]["path"])
    with path.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    parts = [("supervisor", "transfer", "test")[number % 3] for number in range(len(rows))]
    values["task"]["split"] = "part"
    values["split"] = {"proxy": 50, "gold": 50, "prompts": 30, "development": 6}

    def write(turned: tuple[str, ...]) -> None:
        """Write the table; in some parts every class is the other one."""
        other = {"good": "bad", "bad": "good"}
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, ["id", "text", "label", "part"])
            writer.writeheader()
            for row, part in zip(rows, parts, strict=True):
                label = other[row["label"]] if part in turned else row["label"]
                writer.writerow(row | {"label": label, "part": part})

    write(())
    first = searched(tmp_path, values)
    before = answers_of(tmp_path, values)
    write(("transfer", "test"))
    second = searched(tmp_path, values)
    assert answers_of(tmp_path, values) == before
    golds = [[row["gold"]["mean"] for row in found.rows] for found in (first, second)]
    assert golds[0] != golds[1]  # the judge did read them
    assert [row["proxy"] for row in first.rows] == [row["proxy"] for row in second.rows]
    write(("supervisor",))
    searched(tmp_path, values)
    assert answers_of(tmp_path, values) != before  # and the guide does read its own part


WRONG = [
    ({"split": {"proxy": 0, "gold": 5, "prompts": 5}}, "split: proxy must be at least 1 item, found 0"),
    ({"split": {"proxy": 5, "gold": 5}}, "split.prompts: the key is missing"),
    ({"methods": []}, "methods: found a list"),
    ({"methods": ["cbs", "cbs"]}, "methods.1: the name 'cbs' is taken"),
    ({"methods": ["beam"]}, "methods.0: found 'beam', which is not known"),
    ({"methods": [{"cbs": {"wide": 3}}]}, "methods.0: cbs has no setting wide"),
    ({"methods": [{"sample": {}, "scorer": "gold"}]}, "methods.0.scorer: sample chooses by nothing"),
    ({"methods": [{"cbs": {}, "scorer": "god"}]}, "methods.0.scorer: found 'god'"),
    ({"guide": {"tuned": "a"}}, "guide.untuned: the key is missing"),
    ({"guide": {"blocks": 1}}, "guide: a guide is made from a `model` that is cut, or is `fresh`"),
    ({"rewards": {"proxy": "x"}}, "rewards.gold: the key is missing"),
    ({"max_new_tokens": 0}, "max_new_tokens: found 0, wanted at least 1"),
    ({"value": {"prompts": 2}}, "value: prompts must be at least 10, found 2"),
    ({"prompt_words": 0}, "prompt_words: found 0, wanted at least 1"),
    ({"format": "chatty"}, "methods.0: format is 'chatty'"),
    ({"sampling": {"temprature": 1}}, "sampling.temprature: unknown key. Did you mean \"temperature\"?"),
    ({"weak": []}, "weak: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[next(iter(change)) + str(n) for n, (change, _) in
                                                            enumerate(WRONG)])  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError) as error:
        parse(search_values(tmp_path, **change), tmp_path)
    assert str(error.value).startswith(message), str(error.value)


def test_what_does_not_suit_the_models_is_said_before_anything_runs(tmp_path: Path) -> None:
    values = search_values(tmp_path, made=True)
    cases = [
        ({**values, "guide": {**values["guide"], "blocks": 9}}, "guide.blocks: found 9"),
        ({**values, "methods": [{"cbs": {"width": 0}}]}, "methods.0.cbs: width is 0; wanted 1 or more"),
        ({**values, "methods": ["sample", {"cbs": {"chunk": 9}}]}, r"methods.1.cbs: chunk is 9; wanted 1 to .* \(5\)"),
        ({**values, "methods": [{"best_of_n": {"samples": "x"}}]}, "methods.0.best_of_n.samples: found 'x'"),
        ({**values, "methods": [{"qalign": {"steps": 0}}]}, "methods.0.qalign: steps is 0"),
        ({**values, "format": "chat"}, r"format: .* \(base.model\) has no chat template in its tokenizer"),
        ({**values, "split": {"proxy": 100, "gold": 100, "prompts": 9}}, "Too few items"),
    ]
    for changed, message in cases:
        experiment = parse(changed, tmp_path)
        with pytest.raises(TrimtabError, match=message):
            preflight(experiment, plan(experiment), Store.open(tmp_path / "store"))
