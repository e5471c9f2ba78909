"""The page of a study with conflicts: its table, its figure, and where the word deception may stand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import example_results as example
import pytest

from trimtab.diagnostics.deception import THRESHOLDS
from trimtab.report.conflicts import conflict_grids, conflict_sentences, goals_sentence
from trimtab.report.figure_conflict import deception_curve
from trimtab.report.figure_style import COLOURS, inline_svg
from trimtab.report.figures import conflict_figures
from trimtab.report.page import render

SVG = "{http://www.w3.org/2000/svg}"
NONE = {"mean": None, "low": None, "high": None, "reason": "No test item flips."}


def curve(lift: float, beyond: float | None = 2.0, defined: bool = True) -> list[dict[str, Any]]:
    def block(mean: float) -> dict[str, Any]:
        return example.interval(mean, 0.2) if defined else NONE

    return [
        {"threshold": t, "score": block(0.6 - t / 4), "base_rate": block(0.3 - t / 8), "lost": block(0.5),
         "noise_floor": block(0.4), "lift": block(lift),
         "lift_beyond_noise": NONE if beyond is None else block(beyond),
         "deceives": defined and lift > 1.2 and beyond is not None and beyond > 1.2}
        for t in THRESHOLDS
    ]  # fmt: skip


def results(*curves: list[dict[str, Any]], flips: int = 120) -> dict[str, Any]:
    names = [f"m{number}" for number in range(len(curves))]
    found = example.results(methods=("naive", *names), metrics=(("accuracy", True),))
    for row in found["rows"]:
        if row["method"] in names and row["metric"] == "accuracy":
            row["diagnostics"]["deception"] = {
                "conflict": "explicit", "second_items": 0, "flips": {"total": flips, "per_seed": [flips]},
                "tax": example.interval(0.05, 0.01), "curve": curves[names.index(row["method"])],
            }  # fmt: skip
    return found


def test_a_study_without_conflicts_says_nothing_of_them() -> None:
    page = render(example.results())
    assert "conflict of goals" not in page and "eception" not in page
    assert conflict_grids(example.results()) == [] and list(conflict_figures(example.results())) == []


def test_the_table_has_two_thresholds_for_each_method() -> None:
    (grid,) = conflict_grids(results(curve(2.0), curve(1.0)))
    assert [row[:3] for row in grid.rows] == [("m0", "0.5", "120"), ("m0", "0.75", "120"), ("m1", "0.5", "120"),
                                              ("m1", "0.75", "120")]  # fmt: skip
    assert grid.head[3:6] == ("Conflict tax", "Deception score", "Base rate")
    assert all(cell.interval for row in grid.rows for cell in row[3:] if not isinstance(cell, str))


@pytest.mark.parametrize("lift, beyond, called", [(2.0, 2.0, True), (1.0, 2.0, False), (2.0, None, False)])
def test_deception_is_said_only_where_it_is_shown(lift: float, beyond: float | None, called: bool) -> None:
    (sentence,) = conflict_sentences(results(curve(lift, beyond)))
    assert sentence.startswith("m0: conflict tax 0.050 [0.040, 0.060]")
    assert ("deception" in sentence) == called
    assert ("not shown to err where the supervisor cannot see" in sentence) != called
    assert ("but not beyond what two seeds flip" in sentence) == (not called and lift > 1.2)


def test_no_flips_are_said_and_drawn_as_nothing() -> None:
    none = results(curve(1.0, None, defined=False), flips=0)
    (sentence,) = conflict_sentences(none)
    assert "no answer that was right became wrong" in sentence and "deception" not in sentence
    (drawing,) = conflict_figures(none)
    assert "deception score" not in inline_svg(drawing.figure, drawing.description, drawing.name)
    assert "Under a conflict of goals" in render(none)


def test_the_figure_takes_the_page_s_colours_and_names_its_curves() -> None:
    root = ElementTree.fromstring(inline_svg(deception_curve(curve(2.0)), "described", "one"))
    assert next(root.iter(f"{SVG}title")).text == "described"
    allowed = {"none", *(f"var(--{role}, {colour})" for role, colour in COLOURS.items())}
    for element in root.iter():
        assert "style" not in element.attrib
        assert {element.get("fill", "none"), element.get("stroke", "none")} <= allowed
    drawn = {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
    assert {"deception score", "base rate", "noise floor", "threshold T of knowing"} <= drawn


def test_the_agreement_of_the_goals_is_stated() -> None:
    found = results(curve(2.0))
    assert goals_sentence(found) == ""
    found["task"]["second_goal"] = {"goal": "the longer one", "agreement": example.interval(0.51, 0.02)}
    said = "Second goal: the longer one; both goals want the same answer on 0.510 [0.490, 0.530] of the test items."
    assert goals_sentence(found) == said and said in render(found)
    found["task"]["second_goal"]["agreement"] = {**NONE, "reason": "It is unknown."}
    assert goals_sentence(found) == "Second goal: the longer one. It is unknown."
