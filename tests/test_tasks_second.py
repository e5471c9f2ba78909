"""A second goal: whose items are set apart, that none is related to another split's, and pairs that have two goals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tasks_pairs import experiment, rows, write

from trimtab.assets import is_present
from trimtab.errors import TaskError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.preflight import preflight
from trimtab.store import Store
from trimtab.study import run
from trimtab.tasks.membership import Pool
from trimtab.tasks.movie_pairs import MoviePairs, Snippet, pairs_of
from trimtab.tasks.pairs import Pairs
from trimtab.tasks.second import draw_second, of_first_goal, part_of_own, set_apart
from trimtab.tasks.splits import SplitSettings, draw, fix_pool

HELPFUL = [{"prompt": f"h{i}", "chosen": f"kind answer {i}", "rejected": f"other answer {i}"} for i in range(40)]
IMPLICIT = {"conflict": "implicit"}


def two_goals(folder: Path, second: list[dict[str, str]], **settings: Any) -> Pairs:
    paths = {"path": write(folder / "p.jsonl", rows(60)), "second_path": write(folder / "s.jsonl", second)}
    return Pairs(**paths, **settings)


def test_pairs_of_the_second_file_are_set_apart_and_no_truth_of_the_first_goal(tmp_path: Path) -> None:
    items = two_goals(tmp_path, HELPFUL).read()
    assert items.splits is not None and items.second_gold is not None and items.sides is not None
    apart = np.array([split == "second" for split in items.splits])
    assert apart.sum() == 40 and (items.second_gold[~apart] == -1).all() and not items.gold[apart].any()
    for sides, gold in zip(np.array(items.sides)[apart], items.second_gold[apart], strict=True):
        assert "kind" in sides[gold] and "other" in sides[1 - gold]
    first = of_first_goal(items)
    assert first.splits is None and len(first.ids) == 60 and not set(first.ids) & set(np.array(items.ids)[apart])
    # the first goal's pool is the one that it has alone
    alone = Pairs(str(tmp_path / "p.jsonl")).read()
    sizes = SplitSettings(supervisor=20, transfer=20, test=20)
    assert fix_pool(first, sizes) == fix_pool(alone, sizes)


def test_what_is_related_to_the_first_goal_leaves_the_second(tmp_path: Path) -> None:
    """A prompt of the first file, a copy of one of its pairs, and two pairs of the second that want the opposite."""
    taken = {"prompt": "q3", "chosen": "kind words", "rejected": "other words"}
    opposite = [{"prompt": "o", "chosen": a, "rejected": b} for a, b in (("x y", "z w"), ("z w", "x y"))]
    items = two_goals(tmp_path, [*HELPFUL, taken, rows(60)[5], *opposite]).read()
    pool = fix_pool(of_first_goal(items), SplitSettings(supervisor=20, transfer=20, test=20))
    apart = set_apart(items, pool)
    assert len(apart.ids) == 40 and apart.dropped == {"conflict": 2, "duplicate": 1, "group": 1}
    assert min(apart.related) > max(*pool.test_related, *pool.train_related)
    assert not set(apart.ids) & {*pool.test, *pool.train}


def test_items_without_the_truth_of_their_goal_are_refused(tmp_path: Path) -> None:
    items = replace(two_goals(tmp_path, HELPFUL).read(), second_gold=None)
    pool = fix_pool(of_first_goal(items), SplitSettings(supervisor=20, transfer=20, test=20))
    with pytest.raises(TaskError, match='of the split "second" has no ground truth of the second goal'):
        set_apart(items, pool)


def pool_of(related: list[int]) -> Pool:
    ids = tuple(f"i{number:03d}" for number in range(len(related)))
    gold = tuple(number % 2 for number in range(len(related)))
    return Pool(("no", "yes"), ("t",), (999,), ids, gold, tuple(related), {}, 0)


@pytest.mark.parametrize("related", [list(range(120)), [number // 3 for number in range(120)]], ids=["alone", "threes"])
def test_the_second_split_is_drawn_from_what_the_others_leave(related: list[int]) -> None:
    pool = pool_of(related)
    number = dict(zip(pool.train, related, strict=True))
    seen = []
    for seed in range(4):
        members = draw(pool, SplitSettings(supervisor=30, transfer=30, test=1), seed)
        taken = (*members.supervisor, *members.transfer)
        second = draw_second(pool, taken, 24, 0, seed)
        assert len(second) == 24 == len(set(second))
        assert not {number[one] for one in second} & {number[one] for one in taken}
        assert second == draw_second(pool, taken, 24, 0, seed)
        seen.append(second)
    assert len(set(seen)) == 4


def test_too_few_are_left() -> None:
    pool = pool_of(list(range(50)))
    with pytest.raises(TaskError, match=r"found 10, wanted 24.*Make split\.pool larger by 14"):
        draw_second(pool, pool.train[:40], 24, 0, 0)
    with pytest.raises(TaskError, match=r"the data set has 3 of its own, wanted 4"):
        part_of_own(["a", "b", "c"], 4, 0)
    assert part_of_own(["c", "b", "a"], 3, 0) == ("a", "b", "c")


def test_pairs_without_a_second_file_are_planned_without_the_implicit_row(tmp_path: Path) -> None:
    values = experiment(tmp_path) | {"methods": ["naive", IMPLICIT], "controls": False, "metrics": ["accuracy"]}
    planned = plan(parse(values, tmp_path))
    assert [row.method for row in planned.compare.rows] == ["naive"]
    said = preflight(parse(values, tmp_path), planned, Store.open(tmp_path / "store")).warnings
    assert any("implicit will not be run: it needs true labels of a second goal" in one for one in said)
    results = run(parse(values, tmp_path), store=tmp_path / "store")
    (warning,) = (one for one in results.warnings if one["code"] == "not_run")
    assert warning["text"].startswith("implicit was not run: it needs true labels of a second goal")
    alone = plan(parse(values | {"methods": ["naive"]}, tmp_path))
    assert [one.digest for one in planned.stages[:-1]] == [one.digest for one in alone.stages[:-1]]


def test_pairs_of_two_goals_are_learnt(tmp_path: Path) -> None:
    """The second file prefers what the first rejects, and weighs much."""
    values = experiment(tmp_path)
    pairs = (tmp_path / "p.jsonl").read_text("utf-8").splitlines()[:80]
    turned = [{"prompt": f"second {one['prompt']}", "chosen": one["rejected"] + " too", "rejected": one["chosen"]}
              for one in map(json.loads, pairs)]  # fmt: skip
    values["task"] |= {"second_path": write(tmp_path / "s.jsonl", turned), "second": 60}
    heavy = {"name": "heavy", "conflict": {"implicit": {"weight": 20}}}
    values |= {"methods": ["naive", IMPLICIT, heavy], "controls": False}
    results = run(parse(values, tmp_path), store=tmp_path / "store")
    scores = [results.row(name, "accuracy")["student"]["mean"] for name in ("naive", "implicit", "heavy")]
    assert scores[0] > 0.85 > scores[2] and scores[1] > scores[2]
    goal = results.data["task"]["second_goal"]
    assert goal["agreement"]["mean"] is None and "unknown" in goal["agreement"]["reason"]


def snippets(count: int) -> list[Snippet]:
    generator = np.random.default_rng(0)
    return [Snippet("word " * int(generator.integers(1, 30)) + f"{i}", float(generator.normal())) for i in range(count)]


def test_movie_pairs_by_their_snippets() -> None:
    """Both truths from the texts themselves, each snippet once, and pairs that are too close left out."""
    known = snippets(300)
    items = pairs_of([*known, Snippet(known[0].text, 3.0)], min_difference=0.5, seed=0)
    mean = {one.text.strip(): one.mean for one in known}  # of equal texts the first counts
    assert items.sides is not None and items.second_gold is not None
    used = [text.strip() for sides in items.sides for text in sides]
    assert len(used) == len(set(used)) and 150 < len(used) < 300
    for sides, gold, second in zip(items.sides, items.gold, items.second_gold, strict=True):
        means, lengths = [mean[text.strip()] for text in sides], [len(text) for text in sides]
        assert means[gold] - means[1 - gold] > 0.5
        assert lengths[second] > lengths[1 - second]
    assert len(set(items.groups)) == len(items.ids)
    assert 0.3 < items.gold.mean() < 0.7  # the side says nothing
    agree = 100 * (items.gold == items.second_gold).mean()
    assert any(f"in {agree:.1f} % of the {len(items.ids)} pairs" in note for note in items.notes)
    assert any("uses ground truth" in note for note in items.notes)


def test_movie_pairs_do_not_depend_on_the_order_of_the_snippets() -> None:
    known = snippets(100)
    one, other = pairs_of(known, 0.5, 3), pairs_of(known[::-1], 0.5, 3)
    assert one.sides == other.sides and (one.gold == other.gold).all()
    assert pairs_of(known, 0.5, 4).sides != one.sides


@pytest.mark.skipif(not is_present("vader"), reason="needs: trimtab assets fetch vader")
def test_movie_pairs_of_the_asset() -> None:
    items = MoviePairs().read()
    assert 3500 < len(items.ids) < 4700 and items.prompt == MoviePairs().prompt
    assert 0.45 < (items.gold == items.second_gold).mean() < 0.6
    with pytest.raises(ValueError, match="min_difference must be at least 0"):
        MoviePairs(min_difference=-1)
