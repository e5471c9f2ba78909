"""Questions with choices of their own: what is read, what is refused, and a whole study on them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from tiny_models import WORDS, tiny_causal, tiny_encoder

from trimtab.errors import ExperimentError, TaskError
from trimtab.experiment import Experiment, parse
from trimtab.models.activations import activations
from trimtab.models.choice_activations import choice_activations
from trimtab.plan import plan
from trimtab.study import run
from trimtab.supervise.flipped_choices import flipped_choices
from trimtab.tasks.choice_items import as_one_class
from trimtab.tasks.choices import Choices
from trimtab.tasks.splits import SplitSettings, fix_pool
from trimtab.types import Items, Labels, ModelSpec

LIMA = {"question": "The capital of Peru is", "choices": ["Lima", "Quito", "La Paz"], "answer": "Lima"}
SUM = {"question": "1 + 1 =", "choices": ["3", "2"], "answer": "2"}


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"question": f"q{i} ?", "choices": [f"right {i}", *(f"wrong {i} {j}" for j in range(1 + i % 3))],
             "answer": f"right {i}"} for i in range(count)]  # fmt: skip


def test_gold_says_where_the_right_choice_stands(tmp_path: Path) -> None:
    items = Choices(write(tmp_path / "q.jsonl", numbered(300))).read()
    assert items.choices is not None
    assert items.classes == ("choice 1", "choice 2", "choice 3", "choice 4")
    for number, (text, its, gold) in enumerate(zip(items.texts, items.choices, items.gold, strict=True)):
        assert its[gold] == f"q{number} ? right {number}"
        assert all("wrong" in one for place, one in enumerate(its) if place != gold)
        assert f"[{gold + 1}] right {number}" in text
    counts = np.array([len(its) for its in items.choices])
    for count in (2, 3, 4):  # every place is right about equally often
        places = np.bincount(items.gold[counts == count], minlength=count)
        assert places.min() > 100 / count / 2


def test_the_order_does_not_know_the_answer(tmp_path: Path) -> None:
    other = [row | {"answer": row["choices"][-1], "choices": row["choices"][::-1]} for row in numbered(60)]
    one = Choices(write(tmp_path / "a.jsonl", numbered(60))).read()
    two = Choices(write(tmp_path / "b.jsonl", other)).read()
    assert one.choices == two.choices and one.ids == two.ids
    assert (one.gold != two.gold).all()
    assert Choices(str(tmp_path / "a.jsonl"), order_seed=1).read().choices != one.choices


def test_answers_may_be_texts_or_places(tmp_path: Path) -> None:
    def right(**changes: Any) -> str:
        settings = {name: changes.pop(name) for name in ("answer_as",) if name in changes}
        items = Choices(write(tmp_path / "q.jsonl", [LIMA | changes]), **settings).read()
        assert items.choices is not None
        return items.choices[0][items.gold[0]]

    assert right() == right(answer=0) == right(answer="0") == right(answer=" Lima ") == "The capital of Peru is Lima"
    assert right(answer=2) == "The capital of Peru is La Paz"
    digits = {"choices": ["3", "1", "2"], "answer": 1}
    assert right(**digits).endswith(" 1"), "text and place are the same choice"
    digits["answer"] = 2
    assert right(**digits, answer_as="text").endswith(" 2") and right(**digits, answer_as="place").endswith(" 2")
    with pytest.raises(TaskError, match=r'line 1, column "answer".*"0", which is the text of one choice and the place'):
        right(choices=["1", "0"], answer="0")
    assert right(choices=["1", "0"], answer="0", answer_as="place").endswith(" 1")


def test_csv_has_json_or_a_column_for_each_choice(tmp_path: Path) -> None:
    def written(name: str, header: list[str], rows: list[list[str]]) -> str:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([header, *rows])
        return str(tmp_path / name)

    lists = written("l.csv", ["question", "choices", "answer"],
                    [[one["question"], json.dumps(one["choices"]), one["answer"]] for one in (LIMA, SUM)])  # fmt: skip
    columns = written("c.csv", ["question", "a", "b", "c", "answer"],
                      [["The capital of Peru is", "Lima", "Quito", "La Paz", "0"],
                       ["1 + 1 =", "3", "2", "", "2"]])  # fmt: skip
    wanted = Choices(write(tmp_path / "q.jsonl", [LIMA, SUM])).read()
    for found in (Choices(lists).read(), Choices(columns, choices=("a", "b", "c")).read()):
        assert found.choices == wanted.choices and found.ids == wanted.ids
        np.testing.assert_array_equal(found.gold, wanted.gold)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an answer that is none": ({"answer": "Bogota"}, r'"Bogota", which is no choice; wanted one of the choices'),
    "a place beyond": ({"answer": 3}, r'"3", which is no choice'),
    "no answer": ({"answer": None}, "no answer; wanted the right choice"),
    "one choice": ({"choices": ["Lima"]}, "1 choice; wanted two or more different"),
    "two equal choices": ({"choices": ["Lima", "Quito", "Lima "]}, 'the choice "Lima" twice'),
    "an empty choice": ({"choices": ["Lima", " "]}, "an empty choice"),
    "no list": ({"choices": "Lima, Quito"}, r'str .*; wanted a list such as \["yes", "no"\]'),
    "no question": ({"question": ""}, "an empty text"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_named_by_file_and_line(case: str, tmp_path: Path) -> None:
    changes, message = BAD[case]
    with pytest.raises(TaskError, match=rf"q\.jsonl, line 2, column .*{message}"):
        Choices(write(tmp_path / "q.jsonl", [SUM, LIMA | changes])).read()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="exactly once each"):
        Choices("a.jsonl", reads="{question}")
    with pytest.raises(ValueError, match="two and more different"):
        Choices("a.csv", choices=("a", "a"))


def test_an_id_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [LIMA | {"id": 7}, SUM | {"id": 7}])
    with pytest.raises(TaskError, match=r'line 2, column "id": found id "7", which line 1 has too'):
        Choices(path, id="id").read()


def test_different_answers_to_one_question_leave_none(tmp_path: Path) -> None:
    other = LIMA | {"choices": ["La Paz", "Lima", "Quito"], "answer": "Quito"}
    items = Choices(write(tmp_path / "q.jsonl", [LIMA, SUM, other])).read()
    assert len(items.ids) == 1
    assert items.notes == ("2 items were left out because another one has the same question and choices and a "
                           "different answer.",)  # fmt: skip


def test_equal_questions_with_other_choices_are_other_items(tmp_path: Path) -> None:
    rows = [LIMA, LIMA | {"choices": ["Lima", "Bogota"]}, LIMA | {"choices": ["Quito", "La Paz", "Lima"]}]
    items = Choices(write(tmp_path / "q.jsonl", rows)).read()
    assert len(set(items.texts)) == 2, "the third is the first in another order"


def test_a_group_never_straddles_two_splits(tmp_path: Path) -> None:

    rows = [row | {"page": i // 4} for i, row in enumerate(numbered(80))]
    items = Choices(write(tmp_path / "q.jsonl", rows), group="page").read()
    pool = fix_pool(as_one_class(items), SplitSettings(20, 20, 20))
    group = dict(zip(items.ids, items.groups, strict=True))
    assert not {group[one] for one in pool.test} & {group[one] for one in pool.train}


def test_items_of_choices_are_held_to_their_shape() -> None:
    def items(**changes: Any) -> Items:
        told = {"ids": ("a", "b"), "texts": ("x", "y"), "gold": np.array([0, 1]), "classes": ("choice 1", "choice 2"),
                "groups": ("a", "b"), "choices": (("1", "2"), ("3", "4"))}  # fmt: skip
        return Items(**(told | changes))  # pyright: ignore[reportArgumentType]

    items()
    with pytest.raises(ValueError, match="1 to 2 choices an item"):
        items(choices=(("1",), ("3", "4")))
    with pytest.raises(ValueError, match="wanted 2 to 3"):
        items(classes=("choice 1", "choice 2", "choice 3"))
    with pytest.raises(ValueError, match="gold of b is 2, but the item has 2 choices"):
        items(choices=(("1", "2", "3"), ("3", "4")), gold=np.array([0, 2]),
              classes=("choice 1", "choice 2", "choice 3"))  # fmt: skip


def test_flips_go_to_another_of_the_items_own_choices() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 6, 4000)
    gold = np.array([rng.integers(count) for count in counts])
    wrong = rng.random(4000) < 0.3
    weak = np.where(wrong, (gold + 1) % counts, gold)
    ids = tuple(map(str, range(4000)))
    labels = [Labels(ids, np.eye(5)[one], np.ones(4000), "none") for one in (gold, weak)]
    found = flipped_choices(labels[0], labels[1], counts, 1)
    drawn = found.probabilities.argmax(1)
    assert found.truth == "oracle"
    assert (drawn < counts).all()
    assert (drawn != gold).mean() == pytest.approx(wrong.mean(), abs=0.03)
    five = (counts == 5) & (drawn != gold)  # every other choice alike
    steps = np.bincount((drawn - gold)[five] % 5, minlength=5)[1:]
    assert steps.min() > 0.6 * steps.mean()
    np.testing.assert_array_equal(found.probabilities, flipped_choices(labels[0], labels[1], counts, 1).probabilities)
    assert (flipped_choices(labels[0], labels[0], counts, 1).probabilities.argmax(1) == gold).all(), "no error, no flip"


LONG = "review : " + "the film was very good and the plot not dull but long " * 2 + "answer :"


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("layer", [None, 1])
def test_a_beginning_that_choices_share_changes_nothing(kind: str, layer: int | None, tmp_path: Path) -> None:
    spec = ModelSpec(str(tiny_causal(tmp_path / kind, kind)), layer=layer, precision="fp32", batch_tokens=64)
    rng = np.random.default_rng(0)
    choices = [[f"{LONG} {number} " + " ".join(rng.choice(WORDS, 1 + i)) for i in range(2 + number % 4)]
               for number in range(40)]  # fmt: skip
    choices[5] = ["good", "bad"]  # too little in common to share
    flat = [text for its in choices for text in its]
    whole = activations(spec, flat, "{text}")
    shared = choice_activations(spec, choices, "{text}", work=tmp_path / "work")
    np.testing.assert_allclose(shared.values, whole.values, atol=1e-4)
    assert shared.tokens == whole.tokens
    assert list((tmp_path / "work").glob("choices-*")), "the shared way was taken"
    again = choice_activations(spec, choices, "{text}", work=tmp_path / "work")
    np.testing.assert_array_equal(again.values, shared.values)


def test_where_nothing_can_be_shared_every_text_is_run(tmp_path: Path) -> None:
    choices = [[f"{LONG} good", f"{LONG} bad"]] * 3
    for spec in (ModelSpec(str(tiny_encoder(tmp_path / "bert"))),
                 ModelSpec(str(tiny_causal(tmp_path / "llama")), pooling="mean")):  # fmt: skip
        found = choice_activations(spec, choices, "{text}")
        whole = activations(spec, [text for its in choices for text in its], "{text}")
        np.testing.assert_array_equal(found.values, whole.values)


def experiment(folder: Path, items: int = 240) -> dict[str, Any]:
    """Write questions whose right choice alone is made of the first words, and return a study on them."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(items):
        right = " ".join(rng.choice(WORDS[:20], 5))
        wrong = [" ".join(rng.choice(WORDS[20:40], 5)) for _ in range(1 + number % 4)]
        rows.append({"question": f"text {number} :", "choices": [*wrong, f"{right}"], "answer": right, "size": number})
    folder.mkdir(parents=True, exist_ok=True)
    model = str(tiny_causal(folder / "model"))
    fit = {"kind": "probe", "strengths": [0.01, 0.1, 1.0], "steps": 40}
    return {
        "name": "choices",
        "task": {"kind": "choices", "path": write(folder / "q.jsonl", rows), "slices": ["size"], "supervisor": 70,
                 "transfer": 80, "test": 80},
        "weak": [{"model": model, "layer": 1, "pooling": "mean", "fit": fit}],
        "strong": [{"model": model, "pooling": "mean", "fit": fit}],
        "methods": ["naive", "entropy", "reverse_kl",
                    {"name": "half", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"},
                    {"name": "own", "schedule": {"strong_to_strong": {"rounds": 1, "folds": 2}}}],
        "seeds": [0],
    }  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path, Any]:
    folder = tmp_path_factory.mktemp("choices")
    told = parse(experiment(folder), folder)
    return told, folder, run(told, store=folder / "store", runs=folder / "runs")


def test_a_study_on_choices_learns(done: tuple[Experiment, Path, Any]) -> None:
    results = done[2]
    row = results.row("naive", "accuracy")
    assert row["ceiling"]["mean"] > 0.9 and row["student"]["mean"] > 0.85
    assert {one["control"] for one in results.data["rows"] if one["control"]} == {
        "flipped_truth", "weak_on_weak", "weak_on_truth"}  # fmt: skip
    assert {one["metric"] for one in results.data["rows"]} == {"accuracy", "brier", "ece"}
    slices = {one["slice"] for one in results.data["rows"] if one["slice"]}
    assert any(name.startswith("size ") for name in slices)
    assert not any("class" in name for name in slices)
    told = {one["code"]: one["text"] for one in results.data["warnings"]}
    assert "untested_class" not in told
    assert "choices of their own, which a model cannot be asked about yet" in told["no_zero_shot"]
    assert all(one["intrinsic_dimension"]["mean"] for one in results.data["models"].values())
    assert (done[1] / "runs" / "choices" / "report.html").stat().st_size > 10_000


def test_every_stored_prediction_is_0_beyond_the_last_choice(done: tuple[Experiment, Path, Any]) -> None:
    _, folder, _ = done
    (items,) = (folder / "store" / "data").glob("*/items.parquet")
    table = pq.read_table(items)
    counts = {name: len(its) for name, its in zip(table["id"].to_pylist(), table["choices"].to_pylist(), strict=True)}
    store = folder / "store"
    paths = [*store.glob("predict/*/predictions.parquet"), *store.glob("label/*/labels.parquet")]
    assert len(paths) > 10
    for path in paths:
        rows = pq.read_table(path).to_pydict()
        p = np.stack([rows[f"p{place}"] for place in range(5)], 1)
        absent = np.arange(5) >= np.array([counts[name] for name in rows["id"]])[:, None]
        assert absent.any() and (p[absent] == 0).all(), path
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-9)


def test_no_truth_of_transfer_or_test_items_reaches_a_student(done: tuple[Experiment, Path, Any]) -> None:
    """The same study where transfer and test items have other answers."""
    told, folder, _ = done
    before = prediction_hashes(told, folder / "store")
    frozen_split_with_other_truth(told, folder / "store", folder / "moved")
    _within_own_choices(folder / "moved")
    after = prediction_hashes(told, folder / "moved")
    rows = {row.method: row for row in plan(told).compare.rows}
    assert len(before) == 8
    for name, roles in before.items():
        assert roles["weak"] == after[name]["weak"], name
        honest = rows[name].truth in ("none", "supervisor")
        assert (roles["student"] == after[name]["student"]) == honest, f"{name} declares {rows[name].truth}"
        assert roles["ceiling"] != after[name]["ceiling"], name


def _within_own_choices(store: Path) -> None:
    """Bring permuted answers back among each item's own choices."""
    (items,) = (store / "data").glob("*/items.parquet")
    gold = pq.read_table(items.with_name("gold.parquet")).to_pydict()
    counts = dict(zip(*(pq.read_table(items)[name].to_pylist() for name in ("id", "choices")), strict=True))
    own = [place % len(counts[name]) for name, place in zip(gold["id"], gold["gold"], strict=True)]
    pq.write_table(pa.table({"id": gold["id"], "gold": np.array(own)}), items.with_name("gold.parquet"))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "prompted": ({"weak": [{"prompted": {"model": "MODEL"}}]}, r"weak\.0: prompted asks a model about one text"),
    "annotator": ({"weak": [{"annotator": {}}]}, r"weak\.0: annotator takes the places of answers for classes"),
    "adaboost": ({"weak": [{"adaboost": {"model": {"model": "MODEL"}}}]}, r"weak\.0: adaboost takes the places"),
    "few shots": ({"methods": [{"schedule": "weak_few_shot"}]}, r"methods\.0: the schedule weak_few_shot reads one"),
    "confidence": ({"methods": ["naive", "confidence"]}, r"methods\.1: the objective Confidence computes statistics"),
    "window": ({"methods": ["window"]}, r"methods\.0: the objective Window computes statistics over all items"),
    "prior": ({"methods": [{"name": "m", "labels": [{"prior_correction": {}}], "objective": "naive"}]},
              r"methods\.0: the label step PriorCorrection counts classes"),
    "states": ({"methods": [{"name": "m", "labels": [{"graph_smoothing": {}}], "objective": "naive"}]},
               r"methods\.0: the label step GraphSmoothing needs student_states, one row an item"),
    "auroc": ({"metrics": ["accuracy", "auroc"]},
              r"metrics\.1: auroc compares classes.*wanted some of accuracy, brier, ece"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_choices_cannot_be_combined_with(case: str, tmp_path: Path) -> None:
    values, (change, message) = experiment(tmp_path, 20), REFUSED[case]
    model = values["strong"][0]["model"]
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values | json.loads(json.dumps(change).replace("MODEL", model)), tmp_path))
