"""The comparison as text: every number where it belongs, marks where a note explains, nothing wider than a page."""

from __future__ import annotations

import doctest
import importlib
import io
import re
import subprocess
import sys

import example_results as example
import pytest

from trimtab.report import table, table_text
from trimtab.report.numbers import STATUSES


def line_of(text: str, name: str) -> str:
    """Return the only line that starts with `name`."""
    (found,) = [line for line in text.splitlines() if line.startswith(name)]
    return found


def test_a_pair_is_one_block_with_the_numbers_of_its_rows():
    text = table_text(example.results(statuses=("ok", "imprecise", "no_gap")), "accuracy")
    assert "0.783 [0.765, 0.801]" in line_of(text, "weak supervisor")
    assert "0.862 [0.847, 0.877]" in line_of(text, "strong ceiling")
    naive = line_of(text, "naive")
    assert "0.827 [0.811, 0.843]" in naive
    assert "0.56 [0.42, 0.71]" in naive  # (0.827 - 0.783) / (0.862 - 0.783) = 0.557, 0.14 below and 0.15 above
    assert "+0.002 [-0.004, +0.008]" in line_of(text, "confidence ")
    assert line_of(text, "confidence ").endswith("0.080")
    assert "0.58 [-0.62, 4.48]*" in line_of(text, "confidence ")
    assert "no gap*" in line_of(text, "confident-half")
    assert "* confidence: PGR imprecise: The gap is 2.6 standard errors" in text


def test_one_pair_fits_a_hundred_columns():
    text = table_text(example.results(statuses=tuple(STATUSES)), "accuracy")
    assert max(map(len, text.splitlines())) <= 100


def test_truth_is_marked_and_controls_stand_apart():
    text = table_text(example.results(), "accuracy")
    after = text[text.index("(a) flipped truth") :].splitlines()
    assert "[oracle]" in after[0] + after[1]  # on its line, or below it where the numbers need the room
    assert "[" not in line_of(text, "naive").split("0.827")[0]
    assert text.index("\ncontrols\n") < text.index("(a) flipped")
    assert text.index("strong ceiling") < text.index("\ncontrols\n")


def test_numbers_of_a_column_start_in_the_same_place():
    text = table_text(example.results(), "accuracy")
    starts = {found.start() for line in text.splitlines() if (found := re.search(r"0\.\d{3} \[", line))}
    assert len(starts) == 1


@pytest.mark.parametrize("status", [name for name in STATUSES if name not in ("ok", "imprecise")])
def test_a_pgr_without_a_value_says_its_status_and_reason(status: str):
    text = table_text(example.results(statuses=(status,)), "accuracy")
    assert f"{status.replace('_', ' ')}*" in line_of(text, "naive")
    assert example.STATUS_REASONS[status] in " ".join(text.split())
    assert "nan" not in text.lower()


def test_one_seed_is_said_once_and_not_starred_on_every_line():
    text = table_text(example.results(seeds=(0,)), "accuracy")
    assert text.count("one seed: items only") == 1
    assert line_of(text, "naive").count("*") == 0


def test_every_pair_metric_and_slice_is_a_block():
    results = example.results(weak=("a", "b"), strong=("c", "d"), metrics=(("accuracy", True), ("ece", False)))
    results["rows"].append(example.row("w0", "s0", "naive", part="length high"))
    text = table_text(results)
    assert len(re.findall(r"^Accuracy|^accuracy|^ECE", text, re.M)) == 2 * 2 * 2 + 1
    assert "accuracy, length high: a to c" in text
    assert text.count("lower is better") == 4
    assert "ECE" not in table_text(results, "accuracy")


def test_a_missing_interval_and_a_missing_score_say_why():
    results = example.results(metrics=(("accuracy", True),))
    results["rows"][0]["student"] |= {"low": None, "high": None, "reason": "a class has no test item"}
    results["rows"][1]["student"] |= {"mean": None, "low": None, "high": None, "reason": "the metric is undefined"}
    text = " ".join(table_text(results).split())
    assert "naive: no interval: a class has no test item" in text
    assert "confidence: the metric is undefined" in text


def test_names_cannot_write_to_the_terminal_or_overflow():
    name = "\x1b[31mred\x00\u202e" + "x" * 150
    results = example.results(methods=("naive", name), metrics=(("accuracy", True),))
    text = table_text(results)
    assert not set(text) & {"\x1b", "\x00", "\u202e"}
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("x") >= 150


def test_the_rich_table_holds_the_same_cells():
    from rich.console import Console

    results = example.results()
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(table(results, "accuracy"))
    printed = console.export_text()
    for cell in ("0.827 [0.811, 0.843]", "0.56 [0.42, 0.71]", "(a) flipped truth [oracle]", "controls"):
        assert cell in printed


def test_results_without_rows_say_so():
    assert table_text({"rows": []}) == "No comparisons in these results."


def test_the_report_imports_nothing_heavy():
    heavy = "{'torch', 'matplotlib', 'jinja2', 'rich', 'scipy'}"
    code = f"import sys, trimtab.report; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["untrusted", "numbers", "groups", "compare", "figure_rows", "figure_curves", "grid"])
def test_examples_in_docstrings(name: str):
    done = doctest.testmod(importlib.import_module(f"trimtab.report.{name}"))
    assert done.attempted > 0
    assert done.failed == 0
