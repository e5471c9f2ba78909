"""Figures: the same bytes every time, colours of the page, no style of their own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import example_results as example
import pytest

from trimtab.report.figure_curves import calibration, size_points, sizes, spread
from trimtab.report.figure_rows import agreement, gap_range, gap_recovered, scores
from trimtab.report.figure_style import COLOURS, inline_svg, saved
from trimtab.report.figures import score_figures, size_figure, write_figures
from trimtab.report.groups import main_groups

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """Return every text drawn in a figure."""
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_an_inline_figure_takes_colours_from_the_page_and_has_no_style():
    (group,) = main_groups(example.results())
    svg = inline_svg(scores(group), "described", "one")
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        assert "style" not in element.attrib
        assert element.tag not in (f"{SVG}style", f"{SVG}metadata", f"{SVG}script")
        for name in ("fill", "stroke"):
            assert element.get(name, "none") in {"none", *(f"var(--{r}, {c})" for r, c in COLOURS.items())}
    assert root.get("role") == "img"
    assert next(root.iter(f"{SVG}title")).text == "described"
    assert all(i.startswith("one-") for e in root.iter() if (i := e.get("id")) is not None)


def test_references_inside_a_figure_point_at_its_own_elements():
    (group,) = main_groups(example.results())
    root = ElementTree.fromstring(inline_svg(gap_recovered(group), "d", "x"))
    ids = {element.get("id") for element in root.iter()}
    references = [e.get("href", "")[1:] for e in root.iter() if e.get("href")]
    references += [e.get("clip-path", "")[5:-1] for e in root.iter() if e.get("clip-path")]
    assert references
    assert set(references) <= ids


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_a_figure_is_the_same_bytes_twice(kind: str):
    (group,) = main_groups(example.results())
    assert saved(scores(group), kind) == saved(scores(group), kind)


def test_scores_and_statuses_are_written_beside_their_line():
    (group,) = main_groups(example.results(statuses=("ok", "imprecise", "no_gap")))
    assert {"0.783", "0.827", "0.862", "0.642", "strong ceiling"} <= set(texts(inline_svg(scores(group), "", "a")))
    assert {"0.56", "0.58 imprecise", "no gap"} <= set(texts(inline_svg(gap_recovered(group), "", "b")))


def test_names_are_not_read_as_formulas_and_any_script_is_drawn():
    (group,) = main_groups(example.results(methods=("naive", "$x_1$ <b>", "方法 ـعـ"), metrics=(("accuracy", True),)))
    drawn = texts(inline_svg(agreement(group), "", "a"))
    assert "$x_1$ <b>" in drawn
    assert "方法 ـعـ" in drawn


def test_the_pgr_axis_holds_0_and_1_and_is_bounded():
    assert gap_range([]) == (-0.15000000000000002, 1.1500000000000001)
    assert gap_range([{"value": 0.4, "low": -90.0, "high": 90.0}]) == (-1.0, 2.0)
    assert gap_range([{"value": None, "low": -5, "high": 5}]) == gap_range([])


def test_sizes_need_two_known_sizes():
    assert size_figure(example.results()) is None
    several = example.results(weak=("a", "b"), strong=("c", "d", "e"))
    points = size_points(several)
    assert [point.params for point in points] == sorted(point.params for point in points)
    assert len(points) == 6
    assert {"from a", "from b", "strong ceiling"} <= set(texts(inline_svg(sizes(points), "", "s")))
    for model in several["models"].values():
        del model["params"]
    assert size_figure(several) is None


def test_labels_are_spread_without_changing_their_order():
    placed = spread([0.5, 0.52, 0.1], (0.0, 1.0), share=0.1)
    assert placed[1] - placed[0] == pytest.approx(0.1)
    assert placed[2] < placed[0]
    assert sum(placed) == pytest.approx(1.12)


def test_a_calibration_curve_with_empty_bins_is_drawn():
    row = example.row("w0", "s0", "naive")
    row["calibration"]["curve"][3] = {"n": 0, "confidence": None, "accuracy": None}
    row["calibration"]["weak_curve"] = []
    drawn = texts(inline_svg(calibration(row), "", "c"))
    assert "student" in drawn
    assert "weak supervisor" not in drawn


def test_no_pgr_figure_where_no_row_has_one():
    names = [drawing.name for drawing in score_figures(example.results(statuses=("no_gap",), controls=False))]
    assert names == ["scores-0"]


def test_figures_are_exported(tmp_path: Path):
    files = write_figures(example.results(metrics=(("accuracy", True),)), tmp_path / "new")
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    assert {path.stem for path in files} >= {"scores-0", "pgr-0", "agreement-0", "calibration-0"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in files)
