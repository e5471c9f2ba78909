"""Answers batch by batch: what is done is kept, and a run that was stopped goes on with the same batches."""

from __future__ import annotations

import json

import pytest

from trimtab.decode.answer import Answer, Prompt
from trimtab.decode.batched import ANSWERS, BATCHES, answer_all, read_costs, read_rows
from trimtab.decode.search import Scored

PROMPTS = [Prompt(f"p{i}", f"text {i}\N{LINE SEPARATOR}") for i in range(7)]


def silent(*_, **__):
    pass


class Writer:
    """Answers with the prompt's own text; fails at one batch once."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at = [], fail_at

    def __call__(self, prompts, compute):
        if len(self.calls) == self.fail_at:
            raise ConnectionError("gone")
        self.calls.append([one.id for one in prompts])
        compute.add("base", 3 * len(prompts), 10)
        return [Scored(Answer(one.text.upper(), (1, 2), True), float(place)) for place, one in enumerate(prompts)]


def test_rows_and_costs(tmp_path):
    rows, costs = answer_all(Writer(), PROMPTS, 3, tmp_path, silent)
    assert [one.prompt for one in rows] == [one.id for one in PROMPTS]
    assert [one.text for one in rows] == [one.text.upper() for one in PROMPTS]
    assert [one.prompts for one in costs] == [3, 3, 1]
    assert [one.flops for one in costs] == [2 * 10 * 9, 2 * 10 * 9, 2 * 10 * 3]
    assert (read_rows(tmp_path), read_costs(tmp_path)) == (rows, costs)
    assert len((tmp_path / ANSWERS).read_text("utf-8").split("\n")) == 7 + 1


def test_what_was_done_before_a_failure_is_kept(tmp_path):
    whole, _ = answer_all(Writer(), PROMPTS, 3, tmp_path / "whole", silent)
    with pytest.raises(ConnectionError):
        answer_all(Writer(fail_at=1), PROMPTS, 3, tmp_path / "work", silent)
    second = Writer()
    rows, costs = answer_all(second, PROMPTS, 3, tmp_path / "work", silent)
    assert second.calls == [["p3", "p4", "p5"], ["p6"]]
    assert rows == whole
    assert len(costs) == 3


@pytest.mark.parametrize("cut", [ANSWERS, BATCHES])
def test_a_half_written_line_is_made_again(tmp_path, cut):
    answer_all(Writer(), PROMPTS, 3, tmp_path, silent)
    path = tmp_path / cut
    path.write_bytes(path.read_bytes()[:-5])
    if cut == ANSWERS:  # rows come first: a batch without its cost is none
        lines = (tmp_path / BATCHES).read_text("utf-8").splitlines(keepends=True)
        (tmp_path / BATCHES).write_text("".join(lines[:-1]), "utf-8")
    again = Writer()
    rows, costs = answer_all(again, PROMPTS, 3, tmp_path, silent)
    assert again.calls == [["p6"]]
    assert [one.prompt for one in rows] == [one.id for one in PROMPTS]
    lines = (tmp_path / ANSWERS).read_text("utf-8").split("\n")[:-1]
    assert [json.loads(line)["prompt"] for line in lines] == [one.id for one in PROMPTS]
    assert len(costs) == 3


def test_a_finished_run_asks_nobody(tmp_path):
    answer_all(Writer(), PROMPTS, 3, tmp_path, silent)
    again = Writer()
    answer_all(again, PROMPTS, 3, tmp_path, silent)
    assert again.calls == []
