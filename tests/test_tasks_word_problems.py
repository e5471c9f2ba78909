"""Generated word problems: their text alone is read again and solved; words do not tell the class."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from trimtab.errors import TaskError
from trimtab.tasks.splits import SplitSettings, fix_pool
from trimtab.tasks.word_problems import WordProblems
from trimtab.types import Items

GETS, LOSES = {"finds", "buys", "wins", "is"}, {"gives", "loses", "sells", "breaks"}
TASKS = [WordProblems(items=2000), WordProblems(items=2000, relation=">", distractor=True, data_seed=5),
         WordProblems(items=300, largest=999, levels=(3, 8))]  # fmt: skip
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.relation}{task.largest}")


def read_again(text: str) -> tuple[list[int], bool]:
    """Return the changes of the hero's things, the start first, and whether what is said at the end is so."""
    assert text.endswith(".")
    first, *told, last = text[:-1].split(". ")
    hero, things = re.fullmatch(r"(\w+) has \d+ (\w+)", first).groups()  # pyright: ignore[reportOptionalMemberAccess]
    changes = [int(first.split()[2])]
    for sentence in told:
        who, verb, *_ = sentence.split()
        if who != hero:
            assert verb == "has" and not sentence.endswith(things)
            continue
        (number,) = re.findall(r"\d+", sentence)
        assert verb in GETS | LOSES
        changes.append(int(number) if verb in GETS else -int(number))
    said = re.fullmatch(rf"Now {hero} has (more than )?(\d+) {things}", last)
    assert said
    return changes, sum(changes) > int(said[2]) if said[1] else sum(changes) == int(said[2])


@each_task
def test_the_truth_is_what_reading_the_text_again_finds(task: WordProblems) -> None:
    items = task.read()
    assert [read_again(text)[1] for text in items.texts] == (items.gold == 1).tolist()


@each_task
def test_the_level_is_the_number_of_steps_and_nobody_gives_what_they_have_not(task: WordProblems) -> None:
    items = task.read()
    for text, level in zip(items.texts, items.slices["level"], strict=True):
        changes, _ = read_again(text)
        assert len(changes) == level + 1
        assert min(np.cumsum(changes)) >= 0


@each_task
def test_levels_and_classes_are_balanced_and_no_problem_comes_twice(task: WordProblems) -> None:
    items = task.read()
    cells = Counter(zip(items.slices["level"].tolist(), items.gold.tolist(), strict=True))
    assert len(cells) == 2 * len(task.levels) and max(cells.values()) - min(cells.values()) <= 1
    keys = [tuple(sorted(read_again(text)[0])) for text in items.texts]
    assert len(set(keys)) == len(keys) == len(set(items.groups)) == task.items


def test_the_distractor_is_one_sentence_about_somebody_else() -> None:
    plain, other = WordProblems(items=500).read(), WordProblems(items=500, distractor=True).read()
    places = Counter()
    for text, with_one in zip(plain.texts, other.texts, strict=True):
        sentences = with_one.split(". ")
        hero = sentences[0].split()[0]
        (extra,) = [place for place, one in enumerate(sentences) if one.split()[0] not in (hero, "Now")]
        places[extra == 1] += 1
        assert ". ".join(sentences[:extra] + sentences[extra + 1 :]) == text
    assert min(places.values()) > 50, "it stands here and there"


def test_a_problem_of_every_level_fits_into_the_splits_whole() -> None:
    """Stories share phrases, yet none counts as a copy of another."""
    pool = fix_pool(WordProblems(items=1500).read(), SplitSettings(500, 500, 500))
    assert pool.dropped == {"duplicate": 0, "conflict": 0, "near_duplicate": 0, "group": 0}


def told_from_words(items: Items) -> float:
    """Return the accuracy of a bag of words and lengths, numbers by their digits' count, on the other half."""
    texts = [re.sub(r"\d+", lambda found: "n" * len(found[0]) + "x", text) for text in items.texts]
    counts = CountVectorizer(token_pattern=r"\w+").fit_transform(texts).toarray()
    seen = np.concatenate([counts, [[len(text) / 100] for text in items.texts]], 1)
    order = np.random.default_rng(0).permutation(len(seen))
    learn, test = order[::2], order[1::2]
    model = LogisticRegression(max_iter=2000, C=0.1).fit(seen[learn], items.gold[learn])
    return model.score(seen[test], items.gold[test])


def test_words_and_lengths_do_not_tell_the_class() -> None:
    """Half right of 6,000 items is within .026 by four standard errors."""
    items = WordProblems(items=12_000, largest=999, distractor=True).read()
    assert abs(told_from_words(items) - 0.5) < 0.026


def test_a_word_that_only_wrong_problems_have_would_tell() -> None:
    items = WordProblems(items=2000).read()
    texts = tuple(
        text.replace("Now", "Now" if right else "Then") for text, right in zip(items.texts, items.gold, strict=True)
    )
    assert told_from_words(Items(items.ids, texts, items.gold, items.classes, items.groups)) > 0.9


def test_equal_settings_give_equal_items_and_every_setting_counts() -> None:
    task = WordProblems(items=200)
    assert task.read().texts == WordProblems(items=200).read().texts
    changes: dict[str, Any] = {"items": 201, "levels": (1, 2), "largest": 50, "mistakes": ("swap",), "relation": ">",
                               "data_seed": 1, "distractor": True, "prompt": "{text} ?"}  # fmt: skip
    others = [WordProblems(**{"items": 200, name: value}) for name, value in changes.items()]
    assert len({one.fingerprint() for one in (task, *others)}) == 9
    assert all(one.read().texts != task.read().texts for one in others[:-1])


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="levels must be rising whole numbers"):
        WordProblems(levels=(3, 3))
    with pytest.raises(TaskError, match="Level 1 has too few different sums of numbers up to 4"):
        WordProblems(items=60, levels=(1,), largest=4).read()


@pytest.mark.slow
def test_a_hundred_thousand_problems_take_two_minutes_at_most() -> None:
    began = time.process_time()
    assert len(set(WordProblems(items=100_000, largest=999).read().texts)) == 100_000
    assert time.process_time() - began < 120
