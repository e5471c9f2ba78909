"""The figures of a search study: gold reward against compute, and against fluency."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.report.drawing import Drawing
from trimtab.report.figure_curves import spread
from trimtab.report.figure_style import COLOURS, WIDTH_INCHES, figure_style
from trimtab.report.numbers import value
from trimtab.report.search.grids import Results, Row, name_of, rows
from trimtab.report.untrusted import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def search_figures(results: Results) -> Iterator[Drawing]:
    """Yield the two figures; none where no method has a gold reward."""
    shown = [row for row in rows(results) if row["gold"]["mean"] is not None]
    if not shown:
        return
    words = "; ".join(f"{name_of(row)} {value(row['gold'], digits=2).text}" for row in shown)
    caption = "Gold reward against compute for one prompt, with intervals; the line joins best-of-N with the guide."
    yield Drawing("reward-compute", _figure(shown, _compute, "FLOPs for one prompt (log scale)", log=True), caption,
                  f"{caption} {words}")  # fmt: skip
    fluent = [row for row in shown if row["base_log_probability"]["mean"] is not None]
    if fluent:
        caption = "Gold reward against log-probability of the answers under the base model, with intervals."
        yield Drawing("reward-fluency", _figure(fluent, _fluency, "nats a token under the base model", log=False),
                      caption, f"{caption} {words}")  # fmt: skip


def _compute(row: Row) -> dict[str, Any]:
    return {"mean": row["cost"]["flops"], "low": None, "high": None}


def _fluency(row: Row) -> dict[str, Any]:
    return dict(row["base_log_probability"])


def _figure(shown: Sequence[Row], across: Callable[[Row], dict[str, Any]], label: str, *, log: bool) -> Figure:
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(WIDTH_INCHES, 3.4))
        axes = figure.add_axes((0.12, 0.14, 0.56, 0.82))
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda at, _: f"{at:.0e}".replace("e+0", "e").replace("e+", "e"))
        curve = sorted((across(row)["mean"], row["gold"]["mean"]) for row in shown if row["best_of"] is not None)
        if log and len(curve) > 1:
            axes.plot(*zip(*curve, strict=True), color=COLOURS["ceiling"], linewidth=1.0, zorder=1)
        for row in shown:
            _point(axes, row, across(row))
        axes.set_xlabel(label)
        axes.set_ylabel("gold reward (log-odds, nats)")
        axes.grid(True)
        axes.margins(x=0.08, y=0.1)
        _labels(axes, shown, across)
        return figure


def _point(axes: Axes, row: Row, place: dict[str, Any]) -> None:
    gold, colour = row["gold"], _colour(row)
    if gold["low"] is not None and gold["high"] is not None:
        axes.plot([place["mean"]] * 2, [gold["low"], gold["high"]], color=colour, linewidth=0.9, zorder=2)
    if place["low"] is not None and place["high"] is not None:
        axes.plot([place["low"], place["high"]], [gold["mean"]] * 2, color=colour, linewidth=0.9, zorder=2)
    axes.plot(place["mean"], gold["mean"], marker=_marker(row), color=colour, markersize=4.5, zorder=3)


def _labels(axes: Axes, shown: Sequence[Row], across: Callable[[Row], dict[str, Any]]) -> None:
    """Write the names beside the axes, apart from each other, each with a line to its point."""
    heights = [row["gold"]["mean"] for row in shown]
    right = axes.get_xlim()[1]
    for row, height in zip(shown, spread(heights, axes.get_ylim(), 0.062), strict=True):
        start = across(row)["mean"], row["gold"]["mean"]
        axes.annotate(
            short(name_of(row), 26), start, (1.04, height), textcoords=axes.get_yaxis_transform(), va="center",
            color=_colour(row), annotation_clip=False, fontsize=7.5,
            arrowprops={"arrowstyle": "-", "color": COLOURS["rule"], "linewidth": 0.6, "shrinkB": 3},
        )  # fmt: skip
    axes.set_xlim(right=right)


def _colour(row: Row) -> str:
    if row["truth"] == "oracle":
        return COLOURS["control"]
    return COLOURS["ceiling"] if row["best_of"] is not None else COLOURS["student"]


def _marker(row: Row) -> str:
    return "x" if row["truth"] == "oracle" else "D" if row["best_of"] is not None else "o"
