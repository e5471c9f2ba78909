"""Mean ranks over runs: by hand, ties, lower is better, too few runs for an interval, and enough."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab.errors import UsageError
from trimtab.report.ranks import mean_ranks, ranked, ranks_table


def run(name: str, *pairs: dict[str, float], metric: str = "accuracy", higher: bool = True) -> dict[str, Any]:
    """Return results with one row per method and pair, a control and a slice that do not count."""
    rows = [
        {"weak": f"w{w}", "strong": "s0", "method": method, "metric": metric, "slice": part, "control": control,
         "higher_is_better": higher, "student": {"mean": mean}}
        for w, scores in enumerate(pairs)
        for method, mean in scores.items()
        for part, control in ((None, False), ("slice", False), (None, "flipped_truth"))
    ]  # fmt: skip
    models = {f"w{w}": {"model": "weak", "layer": w or None} for w in range(len(pairs))} | {"s0": {"model": "strong"}}
    return {"name": name, "rows": rows, "models": models}


def test_ranks_by_hand() -> None:
    """.9 and .9 share places 1 and 2, .8 is third; where lower is better, .8 is first and the others share 2 and 3."""
    scores = {"a": 0.9, "b": 0.8, "c": 0.9}
    assert ranked(scores, higher_is_better=True) == {"a": 1.5, "b": 3.0, "c": 1.5}
    assert ranked(scores, higher_is_better=False) == {"a": 2.5, "b": 1.0, "c": 2.5}


def test_mean_over_pairs_and_runs_by_hand() -> None:
    """Run one has two pairs, a: 1 and 2, mean 1.5; run two one pair, a: 1. Mean over runs 1.25, not over pairs 1.33."""
    found = mean_ranks([run("one", {"a": 0.9, "b": 0.8}, {"a": 0.7, "b": 0.8}), run("two", {"a": 0.6, "b": 0.5})])
    assert [(row["method"], row["mean_rank"], row["ranks"]) for row in found["rows"]] == [
        ("a", 1.25, [1, 2, 1]),
        ("b", 1.75, [2, 1, 2]),
    ]
    assert all(row["low"] is None for row in found["rows"])
    assert "Descriptive only: 2 runs" in found["remark"]
    assert "one: weak, layer 1 to strong" in found["pairs"]
    assert "(3)" in ranks_table(found)


def test_methods_that_a_run_lacks_are_not_ranked() -> None:
    found = mean_ranks([run("one", {"a": 0.9, "b": 0.8, "c": 0.99}), run("two", {"a": 0.6, "b": 0.7})])
    assert {row["method"] for row in found["rows"]} == {"a", "b"}
    with pytest.raises(UsageError, match="1 methods are in all of these runs"):
        mean_ranks([run("one", {"a": 0.9}), run("two", {"a": 0.6, "b": 0.7})])


def test_six_runs_have_an_interval() -> None:
    """Ranks 1, 1, 1, 1, 2, 2: mean 4/3, deviation sqrt(4/15), t(5) = 2.5706: half width .5419."""
    runs = [run(str(i), {"a": 0.9, "b": 0.8} if i < 4 else {"a": 0.8, "b": 0.9}) for i in range(6)]
    first = mean_ranks(runs)["rows"][0]
    assert (first["method"], first["mean_rank"]) == ("a", pytest.approx(4 / 3))
    assert first["high"] == pytest.approx(4 / 3 + 2.570582 * (4 / 15 / 6) ** 0.5, abs=1e-4)
    assert first["low"] == 1.0


def test_lower_is_better() -> None:
    found = mean_ranks([run("one", {"a": 0.1, "b": 0.2}, metric="ece", higher=False)])
    assert found["rows"][0]["method"] == "a"
