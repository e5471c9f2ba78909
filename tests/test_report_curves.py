"""Learning curves and overlap density in the report: sentences, tables, figures, and what is left out."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import example_results as example
import pytest
from test_report_figures import SVG, texts
from test_report_page import EVIL, Page

from trimtab.report.curves import curve_grids, worth_sentence, worth_sentences
from trimtab.report.explained import overlap_grid
from trimtab.report.figure_learning import learning
from trimtab.report.figure_style import COLOURS, inline_svg
from trimtab.report.figures import learning_figures, write_figures
from trimtab.report.numbers import Value
from trimtab.report.page import render


def worth(**changes: Any) -> dict[str, Any]:
    return example.learning_curve("w0", "s0")["worth"] | changes


SENTENCES = [
    ({}, "2,000 weak labels teach the student as much as 536 ground-truth labels [390, 870]: one is worth 0.268 true"),
    ({"high": None}, "536 ground-truth labels [390, open]"),
    ({"reason": "3 seeds: a t interval."}, "0.268 true ones. 3 seeds: a t interval."),
    ({"value": None, "low": None, "high": 250.0, "status": "fewer", "reason": "Fewer than 250: so."},
     "2,000 weak labels are worth fewer ground-truth labels than were measured. Fewer than 250: so. The interval is "
     "[open, 250]."),
    ({"value": None, "low": None, "high": None, "status": "more", "reason": "More than 2,000: so."},
     "more ground-truth labels than were measured. More than 2,000: so. No size that was measured can be ruled out."),
    ({"value": None, "low": None, "high": None, "status": "undefined", "reason": "ECE says nothing."},
     "what 2,000 weak labels are worth is unknown: ECE says nothing."),
    ({"of": None, "value": None, "status": "undefined", "reason": None}, "is unknown: no reason was recorded"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), SENTENCES, ids=range(len(SENTENCES)))
def test_what_labels_are_worth_in_words(changes: dict[str, Any], said: str) -> None:
    assert said in worth_sentence(worth(**changes))


def test_the_page_has_sentence_figure_and_every_number() -> None:
    text = Page(render(example.results())).text
    section = text.split("Learning curves", 1)[1].split("Calibration")[0]
    assert "minilm-l6 to smollm2-135m: 2,000 weak labels teach the student as much as 536" in section
    assert "250 0.790 [0.774, 0.806] 0.800 [0.785, 0.815]" in section
    assert "2,000 true labels 0.862 [0.847, 0.877]" in section  # what the figure says to those who cannot see it
    assert "minilm-l6 to smollm2-135m 0.227 [0.206, 0.248] 0.342 [0.321, 0.363] 0.431" in text


def test_without_curves_the_page_has_no_section_for_them() -> None:
    results = example.results()
    del results["curves"], results["overlap_density"]
    text = Page(render(results)).text
    assert "Learning curves" not in text and "Overlap density" not in text
    results["curves"] = results["overlap_density"] = []
    assert "Learning curves" not in Page(render(results)).text
    assert overlap_grid(results) is None and list(learning_figures(results)) == []


def test_every_pair_has_its_own() -> None:
    results = example.results(weak=("a", "b"), strong=("c",))
    assert [one.split(":")[0] for one in worth_sentences(results)] == ["a to c", "b to c"]
    assert [one.name for one in learning_figures(results)] == ["learning-0", "learning-1"]
    assert len(curve_grids(results)) == 2


def test_the_figure_has_both_curves_the_supervisor_and_the_colours_of_the_page() -> None:
    svg = inline_svg(learning(example.learning_curve("w0", "s0")), "described", "one")
    assert {"ground truth", "weak labels", "weak supervisor", "250", "2,000"} <= set(texts(svg))
    allowed = {"none", *(f"var(--{role}, {colour})" for role, colour in COLOURS.items())}
    for element in ElementTree.fromstring(svg).iter():
        assert element.get("fill", "none") in allowed and element.get("stroke", "none") in allowed
        assert element.tag != f"{SVG}style"


GAPS = [
    {"weak_score": None},
    {"worth": None},
    {"worth": worth(value=None, status="more")},
    {"sizes": [2000], "weak_labels": [example.interval(0.8)], "ground_truth": [example.interval(0.9)]},
    {"weak_labels": [{"mean": None, "low": None, "high": None, "reason": "none"}] * 4},
    {"ground_truth": [example.interval(0.8) | {"low": None, "high": None, "reason": "why"}] * 4},
]


@pytest.mark.parametrize("changes", GAPS, ids=range(len(GAPS)))
def test_what_is_missing_is_left_out_of_the_figure(changes: dict[str, Any]) -> None:
    results = example.results()
    results["curves"] = [results["curves"][0] | changes]
    (drawing,) = learning_figures(results)
    assert "<svg" in inline_svg(drawing.figure, drawing.description, drawing.name)
    assert "nan" not in Page(render(results)).text.lower().split()


def test_hostile_texts_stay_texts() -> None:
    results = example.results()
    results["curves"][0]["worth"] |= {"value": None, "status": "undefined", "reason": EVIL}
    results["overlap_density"][0]["easy"] = {"mean": None, "low": None, "high": None, "reason": EVIL}
    results["models"]["w0"]["model"] = EVIL
    tags = {tag for tag, _ in Page(render(results)).elements}
    assert not tags & {"script", "img", "a"}


def test_a_share_without_interval_says_why() -> None:
    results = example.results()
    results["overlap_density"][0]["hard"] |= {"low": None, "high": None, "reason": "One seed."}
    grid = overlap_grid(results)
    assert grid is not None
    hard = grid.rows[0][1]
    assert isinstance(hard, Value) and hard.note == "no interval: One seed."


def test_curves_are_exported(tmp_path: Path) -> None:
    files = write_figures(example.results(metrics=(("accuracy", True),)), tmp_path, ("svg",))
    assert tmp_path / "learning-0.svg" in files
