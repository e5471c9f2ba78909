"""The table of tasks, the synthetic task, and the sentiment sets of the vader asset."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab.components
from trimtab import assets
from trimtab.components import find
from trimtab.errors import TaskError, UsageError
from trimtab.tasks import TASKS, Task
from trimtab.tasks.hutto import read_snippets
from trimtab.tasks.splits import SplitSettings, draw, fix_pool
from trimtab.tasks.synthetic import TOPICS, Synthetic


def resolve(name: str) -> Any:
    """Return the settings class of a kind, as an experiment file finds it."""
    return find(name, "trimtab.tasks", TASKS, Path())


needs_vader = pytest.mark.skipif(
    not assets.is_present("vader"), reason="the asset vader is not here: trimtab assets fetch vader"
)


def test_importing_every_kind_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'pydantic', 'pandas', 'pyarrow', 'scipy'}"
    code = (
        "import sys, importlib, trimtab.tasks as t, trimtab.tasks.splits; "
        "[importlib.import_module(place.partition(':')[0]) for place in t.TASKS.values()]; "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_has_its_name_and_its_settings_are_frozen(name: str) -> None:
    kind = resolve(name)
    assert kind.kind == name
    assert kind.__dataclass_params__.frozen


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'"movie_sentment" is not known. Did you mean "movie_sentiment"'):
        resolve("movie_sentment")


def test_kinds_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "trimtab.tasks.synthetic:Synthetic", "trimtab.tasks")
    monkeypatch.setattr(trimtab.components, "entry_points", lambda group: [point] if group == "trimtab.tasks" else [])
    assert resolve("theirs") is Synthetic


def test_synthetic_is_seeded_and_its_settings_count() -> None:
    first = Synthetic(items=50)
    assert isinstance(first, Task)
    assert first.read().texts == Synthetic(items=50).read().texts
    assert first.read().texts != Synthetic(items=50, data_seed=1).read().texts
    prints = {
        Synthetic(**{name: value}).fingerprint()
        for name, value in {
            "items": 50,
            "classes": 3,
            "shares": (0.1, 0.9),
            "difficulty": 0.9,
            "neutral": 0.1,
            "label_noise": 0.2,
            "words": 9,
            "group_size": 2,
            "data_seed": 1,
            "prompt": "{text}!",
        }.items()
    }
    assert len(prints) == 10


def accuracy_of_counting_cues(task: Synthetic) -> float:
    """Score the class whose topic has the most words in the text, the best guess when cues are even."""
    items = task.read()
    cues = [set(TOPICS[name].split()) for name in items.classes]
    votes = np.array([[sum(word in own for word in text.split()) for own in cues] for text in items.texts])
    return float((votes.argmax(1) == items.gold).mean())


def test_synthetic_difficulty_and_noise_set_what_can_be_learnt() -> None:
    base = Synthetic(items=2000, classes=3, words=20)
    easy, middle, hard, hopeless = (
        accuracy_of_counting_cues(replace(base, difficulty=value)) for value in (0.0, 0.6, 0.85, 1.0)
    )
    assert easy > 0.99
    assert easy > middle + 0.02 > hard + 0.1
    assert abs(hopeless - 1 / 3) < 0.06
    noisy = accuracy_of_counting_cues(replace(base, difficulty=0.0, label_noise=0.25))
    assert abs(noisy - 0.75) < 0.04


def test_synthetic_groups_and_shares() -> None:
    items = Synthetic(items=999, classes=2, shares=(3.0, 1.0), group_size=3).read()
    assert abs((items.gold == 0).mean() - 0.75) < 0.05
    assert set(Counter(items.groups).values()) == {3}
    opening = {(name, *text.split()[:3]) for name, text in zip(items.groups, items.texts, strict=True)}
    assert len(opening) == 333
    assert {len(text.split()) for text in items.texts} == {14}


@pytest.mark.parametrize(
    "wrong",
    [{"classes": 1}, {"classes": 9}, {"shares": (1.0,)}, {"difficulty": 1.5}, {"neutral": 1.0}, {"items": 0}],
)
def test_synthetic_refuses_impossible_settings(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Synthetic(**wrong)


def write_set(folder, texts: list[str], ratings: list[str]) -> None:
    (folder / "set_GroundTruth.txt").write_bytes("\r\n".join(texts).encode())
    (folder / "set_anonDataRatings.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(ratings).encode())


def test_gold_is_the_mean_of_the_ratings_not_the_stated_mean(tmp_path) -> None:
    write_set(
        tmp_path,
        ["1_1\t-3.0\tgood ", "1_2\t0.5\tedge", "2_1\t-2.0\tbad"],
        ["1_1\t-3.0\t0\t[1, 2, 3]", "2_1\t-2.0\t0\t[-4, 0]", "1_2\t0.5\t0\t[0, 1]"],
    )
    items = read_snippets(tmp_path, "set", 0.5, "{text}", lambda one: one[0], ("note",))
    assert items.ids == ("1_1", "2_1")  # a mean of exactly the threshold is out
    assert items.texts == ("good", "bad")
    assert items.gold.tolist() == [1, 0]
    assert items.ratings == ((1.0, 2.0, 3.0), (-4.0, 0.0))
    assert items.slices["abs_mean_rating"].tolist() == [2.0, 2.0]
    assert items.groups == ("1", "2")
    assert "1 of 3 items were left out" in items.notes[0]
    assert "ground truth" in items.notes[0]


def test_a_damaged_asset_is_named_by_line(tmp_path) -> None:
    with pytest.raises(TaskError, match=r"set_GroundTruth.txt does not exist"):
        read_snippets(tmp_path, "set", 0.5, "{text}", str, ())
    write_set(tmp_path, ["1\t1.0\ta", "2\t1.0"], ["1\t1.0\t0\t[1]", "2\t1.0\t0\t[1]"])
    with pytest.raises(TaskError, match=r"set_GroundTruth.txt, line 2: found 2 columns"):
        read_snippets(tmp_path, "set", 0.5, "{text}", str, ())
    write_set(tmp_path, ["1\t1.0\ta", "3\t1.0\tb"], ["1\t1.0\t0\t[1]", "2\t1.0\t0\t[1]"])
    with pytest.raises(TaskError, match="other ids"):
        read_snippets(tmp_path, "set", 0.5, "{text}", str, ())


@needs_vader
@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "total", "above", "positive", "raters", "duplicates"),
    [
        ("movie_sentiment", 10_605, 10_043, 4_982, (15, 29), 2),
        ("tweet_sentiment", 4_200, 3_362, 2_300, (20, 99), 60),
        ("product_sentiment", 3_708, 2_943, 1_725, (20, 20), 8),
    ],
)
def test_sentiment_sets(
    name: str, total: int, above: int, positive: int, raters: tuple[int, int], duplicates: int
) -> None:
    task = resolve(name)()
    items = task.read()
    assert (len(items.ids), int(items.gold.sum())) == (above, positive)
    assert f"{total - above} of {total}" in items.notes[0]
    assert any("pretrained model may have seen" in note for note in items.notes)
    assert items.prompt.count("{text}") == 1
    assert not any(text.startswith("\ufeff") or text != text.strip() or not text for text in items.texts)
    assert items.ratings is not None
    counts = [len(ratings) for ratings in items.ratings]
    assert (min(counts), max(counts)) == raters
    means = np.array([np.mean(ratings) for ratings in items.ratings])
    np.testing.assert_allclose(items.slices["abs_mean_rating"], np.abs(means), atol=1e-12)
    assert ((means > 0) == (items.gold == 1)).all()
    assert task.fingerprint() == assets.fingerprint("vader")
    pool = fix_pool(items, SplitSettings(300, 300, 300))
    assert pool.dropped["duplicate"] == duplicates
    assert len(resolve(name)(min_abs_mean=0.0).read().ids) > above


@needs_vader
@pytest.mark.assets
def test_the_demo_split_of_movie_sentiment() -> None:
    settings = SplitSettings(2000, 2000, 2000, pool=6000)
    pool = fix_pool(resolve("movie_sentiment")().read(), settings)
    assert (len(pool.test), len(pool.train)) == (2000, 4000)
    for seed in range(5):
        members = draw(pool, settings, seed)
        assert {*members.supervisor, *members.transfer} == set(pool.train)
        assert len(members.supervisor) == len(members.transfer) == 2000


@needs_vader
@pytest.mark.assets
def test_product_sentences_are_grouped_by_review() -> None:
    items = resolve("product_sentiment")().read()
    assert all(one.split("_")[0] == group for one, group in zip(items.ids, items.groups, strict=True))
    settings = SplitSettings(700, 700, 700)
    pool = fix_pool(items, settings)
    members = draw(pool, settings, 0)
    reviews = [{one.split("_")[0] for one in side} for side in (members.supervisor, members.transfer, members.test)]
    assert not (reviews[0] & reviews[1] or reviews[0] & reviews[2] or reviews[1] & reviews[2])


@needs_vader
def test_tweets_in_three_classes_follow_the_mean_rating() -> None:
    """The classes are made again from the single ratings; nothing is left out."""
    items = resolve("tweet_three_class")().read()
    assert len(items.ids) == 4200 and items.classes == ("negative", "neutral", "positive")
    assert items.ratings is not None
    for ratings, gold in zip(items.ratings, items.gold, strict=True):
        mean = float(np.mean(ratings))
        if abs(abs(mean) - 0.5) > 1e-9:
            assert gold == (1 if abs(mean) < 0.5 else 2 * (mean > 0))
    assert (np.bincount(items.gold) > 300).all()
    assert "none was left out" in items.notes[0]


def test_a_neutral_class_needs_a_width() -> None:
    with pytest.raises(ValueError, match="neutral must be above 0"):
        resolve("tweet_three_class")(neutral=0)
