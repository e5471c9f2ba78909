"""Any callable as a scorer: what it is told, and what becomes of its mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from decode_models import PROMPTS, tiny

from trimtab.decode.answer import Answer, Compute
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, best_of_n
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.program import Program
from trimtab.decode.scorers.scorer import TextScorer
from trimtab.decode.search import ChunkSearch, search
from trimtab.errors import ScoreError

BASE = LocalBase(tiny(9))


def test_it_is_told_prompt_answer_and_whether_the_base_ended_it() -> None:
    told: list[tuple[str, str, bool]] = []

    def note(prompt: str, answer: str, ended: bool) -> float:
        told.append((prompt, answer, ended))
        return float(len(told))

    scoring = Program(note).begin(PROMPTS[:2], Compute())
    answers = [Answer("good", (5,)), Answer("", (3,), ended=True), Answer()]
    assert scoring.score([1, 0, 0], answers).tolist() == [1, 2, 3]
    assert told == [(PROMPTS[1].text, "good", False), (PROMPTS[0].text, "", True), (PROMPTS[0].text, "", False)]
    scoring.keep([2, 0])  # rows are now the first prompt and the second
    scoring.score([1], [Answer("bad")])
    assert told[-1][:2] == (PROMPTS[1].text, "bad")


def test_one_at_a_time_is_the_same_search_as_all_at_once() -> None:
    one = Program(lambda prompt, answer, ended: answer.count("e") - len(prompt) / 100)
    every = TextScorer(
        lambda prompts, texts: [t.count("e") - len(p) / 100 for p, t in zip(prompts, texts, strict=True)]
    )
    method = ChunkBeam(2, 3, 3, max_new_tokens=12)
    assert method(BASE, one, PROMPTS, 0, Compute()) == method(BASE, every, PROMPTS, 0, Compute())


def test_a_search_can_prefer_answers_that_end() -> None:
    ends = Program(lambda prompt, answer, ended: float(ended), "ends")
    found = search(BASE, ends, PROMPTS, ChunkSearch(4, 1, None, max_new_tokens=20), Sampling(), 0, Compute())
    assert {one.answer.ended for answers in found for one in answers} == {True, False}
    best = best_of_n(4, 20)(BASE, ends, PROMPTS, 0, Compute())
    for one, answers in zip(best, found, strict=True):
        assert one.answer.ended == any(each.answer.ended for each in answers)
        assert one.score == float(one.answer.ended)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (math.nan, "the scorer mine gave nan for an answer to prompt p1; wanted a finite number"),
        (-math.inf, "the scorer mine gave -inf for an answer to prompt p1"),
        ("3", "the scorer mine gave str for an answer to prompt p1; wanted a number"),
        (None, "gave NoneType for an answer to prompt p1"),
        ([1.0], "gave list for an answer to prompt p1"),
    ],
)
def test_what_is_no_finite_number_is_refused(value: object, wrong: str) -> None:
    wanted = {PROMPTS[0].text: 1.0, PROMPTS[1].text: value}
    mine = Program(lambda prompt, answer, ended: wanted[prompt], "mine")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ScoreError, match=wrong):
        mine.begin(PROMPTS, Compute()).score([0, 1], [Answer("a"), Answer("b")])


def test_numbers_of_other_kinds_are_numbers() -> None:
    values: Iterator[Any] = iter((True, 2, np.float32(0.5), np.int64(4)))
    scoring = Program(lambda prompt, answer, ended: next(values), "kinds").begin(PROMPTS, Compute())
    assert scoring.score([0, 1, 2, 3], [Answer()] * 4).tolist() == [1.0, 2.0, 0.5, 4.0]


def test_an_exception_names_the_callable_and_the_prompt() -> None:
    def by_length(prompt: str, answer: str, ended: bool) -> float:
        return 1 / len(answer)

    scoring = Program(by_length).begin(PROMPTS, Compute())
    with pytest.raises(
        ScoreError, match="the scorer by_length failed on an answer to prompt p2: ZeroDivisionError"
    ) as found:
        scoring.score([1, 2], [Answer("a"), Answer("")])
    assert isinstance(found.value.__cause__, ZeroDivisionError)
