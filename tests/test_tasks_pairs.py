"""Pairs of answers: what is read, in which order, and a study on them that no order can decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_causal

from trimtab.comparison.cut_answers import cut_answer_warnings
from trimtab.errors import ExperimentError, TaskError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.preflight import preflight
from trimtab.stages.pairs import both_orders
from trimtab.store import Store
from trimtab.study import run
from trimtab.tasks.pairs import Pairs, common_prompt
from trimtab.tasks.splits import SplitSettings, fix_pool

DIALOGUE = "\n\nHuman: how do I open it?\n\nAssistant: which one?\n\nHuman: the old one\n\nAssistant:"


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def rows(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"prompt": f"q{i}", "chosen": f"good answer {i}", "rejected": f"bad answer {i}"}
            for i in range(start, start + count)]  # fmt: skip


def test_gold_says_where_the_chosen_answer_stands(tmp_path: Path) -> None:
    items = Pairs(write(tmp_path / "p.jsonl", rows(200))).read()
    assert items.sides is not None and items.classes == ("first", "second")
    for sides, gold, text in zip(items.sides, items.gold, items.texts, strict=True):
        assert "good" in sides[gold] and "bad" in sides[1 - gold]
        assert text.index("[first]") < text.index("[second]")
        assert sides[0].removeprefix("q").split("good")[0].split("bad")[0] in text
    assert 70 < items.gold.sum() < 130  # the order is random


def test_the_order_does_not_know_which_is_the_chosen_one(tmp_path: Path) -> None:
    turned = [{"prompt": row["prompt"], "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows(50)]
    one = Pairs(write(tmp_path / "a.jsonl", rows(50))).read()
    other = Pairs(write(tmp_path / "b.jsonl", turned)).read()
    assert one.sides == other.sides and one.ids == other.ids
    np.testing.assert_array_equal(one.gold, 1 - other.gold)


def test_another_seed_orders_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", rows(100))
    assert 20 < (Pairs(path).read().gold != Pairs(path, order_seed=1).read().gold).sum() < 80


def test_dialogues_share_their_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", [{"chosen": f"{DIALOGUE} pull it", "rejected": f"{DIALOGUE} push it"}])
    items = Pairs(path).read()
    assert items.groups == (DIALOGUE.strip(),)
    assert items.sides is not None and sorted(items.sides[0]) == [f"{DIALOGUE} pull it", f"{DIALOGUE} push it"]


@pytest.mark.parametrize("chosen, rejected, prompt", [
    (f"{DIALOGUE} a", f"{DIALOGUE} b", DIALOGUE),
    ("\n\nHuman: a\n\nAssistant: x", "\n\nHuman: b\n\nAssistant: x", ""),
    ("yes", "no", ""),
])  # fmt: skip
def test_the_common_prompt_ends_with_the_last_common_turn(chosen: str, rejected: str, prompt: str) -> None:
    assert common_prompt(chosen, rejected) == prompt


@pytest.mark.parametrize("chosen, rejected", [
    ("\n\nHuman: a\n\nAssistant: x", "\n\nHuman: b\n\nAssistant: y"),
    ("hello there", "hello"),
])  # fmt: skip
def test_dialogues_without_a_common_beginning_are_named(chosen: str, rejected: str, tmp_path: Path) -> None:
    told = [{"chosen": f"{DIALOGUE} a", "rejected": f"{DIALOGUE} b"}, {"chosen": chosen, "rejected": rejected}]
    path = write(tmp_path / "p.jsonl", told)
    with pytest.raises(TaskError, match=r'p\.jsonl, line 2, column "rejected": found a dialogue that has no turn'):
        Pairs(path).read()
    items = Pairs(path, prompt=None).read()  # said to have none, each is an answer as it stands
    assert items.sides is not None and sorted(items.sides[1]) == sorted([chosen, rejected])


def say(*turns: str) -> list[dict[str, str]]:
    """Return a dialogue in chat form that the user begins."""
    return [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]


ANSWERS = [[{"role": "assistant", "content": name}] for name in ("c", "d")]
CHATS = {
    "whole dialogues": ({"chosen": say("a", "b", "q", "c"), "rejected": say("a", "b", "q", "d")}, "a\n\nassistant: b"
                        "\n\nuser: q"),
    "a prompt that they hold": ({"prompt": "q", "chosen": say("q", "c"), "rejected": say("q", "d")}, "q"),
    "a prompt of its own": ({"prompt": "q", "chosen": ANSWERS[0], "rejected": ANSWERS[1]}, "q"),
    "a prompt of messages": ({"prompt": say("a", "b", "q"), "chosen": ANSWERS[0], "rejected": ANSWERS[1]}, "a\n\n"
                             "assistant: b\n\nuser: q"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHATS)
def test_dialogues_in_chat_form(case: str, tmp_path: Path) -> None:
    row, prompt = CHATS[case]
    items = Pairs(write(tmp_path / "p.jsonl", [row])).read()
    assert items.sides is not None
    assert sorted(items.sides[0]) == [f"user: {prompt}\n\nassistant: {answer}" for answer in ("c", "d")]
    assert items.sides[0][items.gold[0]].endswith("c")
    assert items.groups == (f"user: {prompt}\n\nassistant:",)


def test_a_dialogue_that_goes_on_is_the_longer_answer(tmp_path: Path) -> None:
    row = {"chosen": say("q", "c"), "rejected": say("q", "c", "why", "d")}
    items = Pairs(write(tmp_path / "p.jsonl", [row])).read()
    assert items.sides is not None and items.groups == ("user: q\n\nassistant:",)
    assert sorted(items.sides[0], key=len) == [f"user: q\n\nassistant: c{more}" for more in
                                               ("", "\n\nuser: why\n\nassistant: d")]  # fmt: skip


@pytest.mark.parametrize("row, message", [
    ({"chosen": say("q", "c"), "rejected": "text"}, 'column "rejected": found str \'text\'; wanted a list of messages'),
    ({"chosen": ["a"], "rejected": ["b"]}, 'column "chosen": found str \'a\'; wanted a list of messages'),
    ({"chosen": say("q", ""), "rejected": say("q", "d")}, 'column "chosen": found an empty text'),
    ({"chosen": say("q", "c"), "rejected": say("r", "d")}, 'column "rejected": found a dialogue that has no message'),
    ({"chosen": say("q", "c"), "rejected": say("q", "c")}, 'column "rejected": found the same answer'),
])  # fmt: skip
def test_what_is_no_chat_is_named_by_line(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", [{"chosen": say("q", "c"), "rejected": say("q", "d")}, row])
    with pytest.raises(TaskError, match=f"line 2, {message}"):
        Pairs(path).read()


def test_equal_answers_are_named_or_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", [*rows(2), {"prompt": "q", "chosen": "same", "rejected": "same "}])
    with pytest.raises(TaskError, match=r"line 3.*the same answer as the chosen one.*equal: drop"):
        Pairs(path).read()
    assert len(Pairs(path, equal="drop").read().ids) == 2


def test_pairs_of_one_prompt_never_straddle_two_files(tmp_path: Path) -> None:
    """Of three files that share prompts, the test file keeps its pairs."""
    names = ("path", "transfer_path", "test_path")
    shared = [{"prompt": "q0", "chosen": "x y", "rejected": "z w"}]
    files = {name: write(tmp_path / f"{name}.jsonl", rows(30, 100 * place)) for place, name in enumerate(names)}
    files["path"] = write(tmp_path / "path.jsonl", rows(30))
    files["test_path"] = write(tmp_path / "test_path.jsonl", [*rows(30, 200), *shared])
    pool = fix_pool(Pairs(**files).read(), SplitSettings())
    assert len(pool.test) == 31
    assert pool.supervisor is not None and len(pool.supervisor) == 29
    assert pool.dropped["group"] == 1


def test_files_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transfer_path and test_path belong together"):
        Pairs("a", transfer_path="b")


def test_both_orders_turn_the_labels() -> None:
    from trimtab.fit.bulk import Problem
    from trimtab.fit.probe_settings import Probe
    from trimtab.objectives.naive import Naive

    told = Problem(np.array([2, 0]), np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([1.0, 0.5]), Naive(), 0.1, Probe())
    doubled = both_orders(told, 5)
    assert doubled.rows.tolist() == [2, 0, 7, 5]
    assert doubled.labels.tolist() == [[0.9, 0.1], [0.3, 0.7], [0.1, 0.9], [0.7, 0.3]]
    assert doubled.weights.tolist() == [1.0, 0.5, 1.0, 0.5]


def experiment(folder: Path, pairs: int = 240) -> dict[str, Any]:
    """Write pairs whose chosen answer holds more of the first words, and return a study on them."""
    generator = np.random.default_rng(0)
    told = []
    for number in range(pairs):
        better, worse = (" ".join(generator.choice(WORDS[part], 6)) for part in (slice(0, 20), slice(20, 40)))
        told.append({"prompt": f"text {number} : ", "chosen": f"{better} {number}", "rejected": f"{worse} {number}"})
    model = str(tiny_causal(folder / "model"))
    return {
        "name": "pairs",
        "task": {"kind": "pairs", "path": write(folder / "p.jsonl", told), "supervisor": 70, "transfer": 80,
                 "test": 80},
        "weak": [{"model": model, "layer": 1, "pooling": "mean", "fit": "probe"}],
        "strong": [{"model": model, "pooling": "mean", "fit": "probe"}],
        "methods": ["naive", "confidence",
                    {"name": "half", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"}],
        "seeds": [0],
    }  # fmt: skip


def test_a_study_on_pairs_learns_and_no_order_decides(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    results = run(parse(experiment(tmp_path), tmp_path), store=tmp_path / "store")
    row = results.row("naive", "accuracy")
    assert row["ceiling"]["mean"] > 0.9 and row["student"]["mean"] > 0.85
    heads = [load_file(path) for path in (tmp_path / "store" / "train").glob("*/head.safetensors")]
    assert len(heads) >= 5
    for head in heads:
        assert abs(float(head["bias"][1] - head["bias"][0])) < 1e-6
        np.testing.assert_allclose(head["mean"], 0, atol=1e-6)
    controls = {one["control"] for one in results.data["rows"] if one["control"]}
    assert controls == {"flipped_truth", "weak_on_weak", "weak_on_truth"}
    (said,) = [one["text"] for one in results.warnings if one["code"] == "no_zero_shot"]
    assert "pairs of answers, which a model cannot be asked about yet" in said


def test_answers_that_were_cut_are_warned_of_where_the_end_goes(tmp_path: Path) -> None:
    values = experiment(tmp_path, 120)
    (weak,), (strong,) = values["weak"], values["strong"]
    values |= {"methods": ["naive"], "controls": False, "metrics": ["accuracy"], "weak": [weak | {"max_tokens": 8}]}
    values |= {"strong": [strong | {"max_tokens": 8, "cut": "start"}]}
    values["task"] |= {"supervisor": 30, "transfer": 30, "test": 30}
    results = run(parse(values, tmp_path), store=tmp_path / "store")
    (warning,) = (one for one in results.warnings if one["code"] == "cut_answers")
    lost = results.data["splits"]["truncated"]
    assert warning["row"] == "w0" and lost["w0"] == lost["s0"] == 180  # both answers of 90 pairs
    assert "180 texts are longer than max_tokens (8)" in warning["text"] and "`cut: start`" in warning["text"]


def test_cut_answers_are_those_of_pairs_and_choices_alone() -> None:
    models = {"w0": {"model": "small", "truncated": 1}, "s0": {"model": "large", "truncated": 0}}
    for data, count in (({"pairs": True}, 1), ({"choices": {"fewest": 2, "most": 4}}, 1), ({"classes": []}, 0)):
        assert len(cut_answer_warnings(models, data, {"w0", "s0"})) == count
    (warning,) = cut_answer_warnings(models, {"pairs": True}, {"w0"})
    assert warning["text"].startswith("small: 1 text is longer than max_tokens and lost the end")
    assert cut_answer_warnings(models, {"pairs": True}, {"s0"}) == []


def test_a_model_that_reads_pairs_is_not_told_to_ask_for_a_class(tmp_path: Path) -> None:
    asked = parse(experiment(tmp_path), tmp_path)  # its `prompt:` would name a column
    assert preflight(asked, plan(asked), Store.open(tmp_path / "store")).warnings == ()


def test_more_items_of_a_second_goal_than_its_file_holds_are_named_before_anything_is_run(tmp_path: Path) -> None:
    values = experiment(tmp_path)
    values["task"] |= {"second_path": write(tmp_path / "second.jsonl", rows(30)), "second": 31}
    values["methods"] = ["naive", {"name": "both", "objective": "naive", "conflict": "implicit"}]
    store = Store.open(tmp_path / "store")
    asked = parse(values, tmp_path)
    fits = parse(values | {"task": values["task"] | {"second": 30}}, tmp_path)
    for _ in range(2):  # the file as it is, then what was made of it
        with pytest.raises(TaskError, match="the data set has 30 of its own, wanted 31"):
            preflight(asked, plan(asked), store)
        planned = plan(fits)
        assert preflight(fits, planned, store).test_items == 80
        early = [one for one in planned.stages if one.kind in ("data", "split", "second_split")]
        run_stages(early, store, 1, Quiet())


REFUSED = {
    "generative": ({"methods": [{"schedule": "generative"}]}, r"methods\.0: the schedule generative reads one text an"),
    "prompted": ({"weak": [{"prompted": {"model": "MODEL"}}]}, r"weak\.0: prompted asks a model about one text"),
    "few shots": ({"methods": [{"schedule": "weak_few_shot"}]}, r"methods\.0: the schedule weak_few_shot reads one"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_pairs_cannot_be_combined_with(case: str, tmp_path: Path) -> None:
    values, (change, message) = experiment(tmp_path, 20), REFUSED[case]
    model = values["strong"][0]["model"]
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values | json.loads(json.dumps(change).replace("MODEL", model)), tmp_path))
