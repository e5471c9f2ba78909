"""Two runs side by side."""

from __future__ import annotations

import copy
import math

import example_results as example
import pytest

from trimtab.report import compare_rows, compare_table
from trimtab.report.compare import difference


def test_difference_of_independent_intervals_by_hand():
    found = difference({"mean": 0.5, "low": 0.47, "high": 0.54}, {"mean": 0.6, "low": 0.57, "high": 0.63})
    assert found is not None
    assert found["delta"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(0.1 - math.sqrt(0.03**2 + 0.04**2))  # 0.05
    assert found["high"] == pytest.approx(0.1 + math.sqrt(0.03**2 + 0.03**2))


def test_swapping_the_runs_mirrors_the_difference():
    a, b = {"mean": 0.5, "low": 0.4, "high": 0.53}, {"mean": 0.7, "low": 0.66, "high": 0.8}
    forward, back = difference(a, b), difference(b, a)
    assert forward is not None
    assert back is not None
    assert (forward["low"], forward["high"]) == pytest.approx((-back["high"], -back["low"]))


def test_no_value_gives_no_difference_and_no_interval_gives_no_interval():
    assert difference({"value": None}, {"value": 0.5}, "value") is None
    assert difference({"mean": 0.5, "low": None, "high": None}, {"mean": 0.75, "low": 0.7, "high": 0.8}) == {
        "delta": 0.25,
        "low": None,
        "high": None,
    }


def test_runs_on_other_test_items_are_not_called_paired():
    a = example.results()
    b = copy.deepcopy(a)
    assert "Same test items" in compare_table(a, b)
    b["splits"]["test"]["digest"] = "8" * 64
    assert "cannot be compared as paired" in " ".join(compare_table(a, b).split())
    assert compare_rows(a, b)["same_test_items"] is False
    del b["splits"]
    assert compare_rows(a, b)["same_test_items"] is None


def test_only_the_main_metric_is_shown_unless_all_are_asked_for():
    a = example.results()
    b, metrics = copy.deepcopy(a), {row["metric"] for row in a["rows"]}
    assert len(metrics) > 1
    short, full = compare_table(a, b), compare_table(a, b, everything=True)
    shown = sum(row["metric"] == a["rows"][0]["metric"] and row["slice"] is None for row in a["rows"])
    assert f"{len(a['rows']) - shown} rows of other metrics and slices are not shown" in " ".join(short.split())
    assert "not shown" not in full
    assert len(full.splitlines()) - len(short.splitlines()) == len(a["rows"]) - shown - 1


def test_rows_of_one_run_only_models_and_seeds_are_told():
    a, b = example.results(), example.results(methods=("naive", "product"), seeds=(0, 1))
    b["models"]["s0"]["layer"] = 12
    text = " ".join(compare_table(a, b).split())
    assert "Only in A: w0/s0/confidence/accuracy" in text
    assert "Only in B: w0/s0/product/accuracy" in text
    assert "Model s0 differs: layer None against 12." in text
    assert "Seeds differ: 0, 1, 2, 3, 4 against 0, 1." in text


def test_score_and_pgr_differences_are_printed():
    a = example.results(methods=("naive",), metrics=(("accuracy", True),), controls=False)
    b = copy.deepcopy(a)
    b["rows"][0]["student"] = example.interval(0.847)
    b["rows"][0]["pgr"] = example.gap_block(0.0, "no_gap")
    line = next(line for line in compare_table(a, b).splitlines() if line.startswith("naive"))
    assert "0.827" in line
    assert "+0.020 [-0.003, +0.043]" in line  # 0.016 * sqrt(2) = 0.0226
    assert line.rstrip().endswith("no gap")
