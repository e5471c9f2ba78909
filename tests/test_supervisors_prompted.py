"""Prompted: examples evenly over the classes, and a prompt that still has one place for the item."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.supervisors.prompted import Prompted, chosen_examples, prompt_with_examples
from trimtab.types import ModelSpec


def choose(classes: list[int], shots: int, seed: int = 0) -> list[int]:
    return chosen_examples(classes, shots, np.random.default_rng(seed))


def test_prompt_by_hand():
    """Two solved copies, each with its answer after a space and an empty line, then the prompt as it was."""
    found = prompt_with_examples("Text: {text} Class:", ["fine", "poor"], ["good", "bad"])
    assert found == "Text: fine Class: good\n\nText: poor Class: bad\n\nText: {text} Class:"


def test_no_space_comes_after_white_space_and_no_example_is_the_prompt():
    assert prompt_with_examples("{text}\n", ["fine"], ["good"]) == "fine\ngood\n\n{text}\n"
    assert prompt_with_examples("Text: {text} Class:", [], []) == "Text: {text} Class:"


@pytest.mark.parametrize("text", ["{text}", "a {text} and {text}", "{tex{text}t}", "{}", "{text", "{0}"])
def test_the_item_has_one_place_whatever_an_example_says(text):
    found = prompt_with_examples("Text: {text} Class:", [text, "plain"], ["good", "bad"])
    assert found.count("{text}") == 1
    assert found.endswith("Text: {text} Class:")


def test_against_an_independent_restatement():
    texts, answers = ["a", "b", "c"], ["x", "y", "z"]
    parts = [f"<{text}> is {answer}" for text, answer in zip(texts, answers, strict=True)]
    assert prompt_with_examples("<{text}> is", texts, answers) == "\n\n".join([*parts, "<{text}> is"])


@pytest.mark.parametrize(("classes", "shots"), [(2, 1), (2, 2), (2, 5), (3, 3), (3, 8), (4, 4), (5, 3)])
def test_examples_are_spread_evenly_over_the_classes(classes, shots):
    """Counts of two classes differ by at most 1, nobody is there twice, and a second draw is another."""
    gold = np.random.default_rng(0).integers(classes, size=200).tolist()
    found = choose(gold, shots)
    counts = Counter(gold[one] for one in found)
    assert len(found) == len(set(found)) == shots
    assert max(counts.values()) - min(counts.get(c, 0) for c in range(classes)) <= 1
    assert found == choose(gold, shots)
    assert found != choose(gold, shots, seed=1)


def test_one_example_by_hand():
    """Items 0 and 3 are alone in their class: two shots are these two, in either order."""
    assert {tuple(choose([1, 0], 2, seed)) for seed in range(20)} == {(0, 1), (1, 0)}


def test_which_class_has_one_more_and_what_comes_first_is_drawn():
    gold = [0, 1] * 50
    drawn = [choose(gold, 3, seed) for seed in range(400)]
    assert 0.4 < np.mean([sum(gold[one] for one in found) == 2 for found in drawn]) < 0.6
    assert 0.4 < np.mean([gold[found[0]] for found in drawn]) < 0.6


def test_a_rare_class_is_as_often_there_and_an_absent_one_is_left_out():
    assert sum(one >= 97 for one in choose([0] * 97 + [1] * 3, 6)) == 3
    assert len(choose([2] * 10, 4)) == 4
    assert choose([0, 1], 0) == []


def test_too_few_items_of_a_class_is_a_clear_error():
    message = "6 examples, evenly over 2 classes, need 3 items labelled as class 1, and there are 2; set fewer `shots`"
    with pytest.raises(FitError, match=message):
        choose([0] * 98 + [1] * 2, 6)


def test_fewer_than_no_shots_are_refused():
    with pytest.raises(ValueError, match="shots must be at least 0, found -1"):
        Prompted(ModelSpec("a model"), shots=-1)


def test_sees_no_truth_beyond_the_supervisor_split():
    assert Prompted.truth == "none"
