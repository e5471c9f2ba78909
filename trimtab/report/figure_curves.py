"""Figures with curves: calibration, and score against the size of the student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.report.figure_rows import DOTTED, axis_label
from trimtab.report.figure_style import COLOURS, MARKERS, WIDTH_INCHES, figure_style
from trimtab.report.groups import (
    Results,
    Row,
    main_groups,
    model_name,
    naive_row,
)
from trimtab.report.numbers import count
from trimtab.report.untrusted import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = (
    ("weak", "weak supervisor", "weak_curve"),
    ("ceiling", "strong ceiling", "ceiling_curve"),
    ("student", "student", "curve"),
)
LINE_STYLES = ("-", "--", "-.", ":")


def calibration(row: Row) -> Figure:
    """Draw accuracy against confidence of supervisor, student and ceiling, in bins of equal mass."""
    from matplotlib.figure import Figure

    curves = [
        (
            role,
            label,
            [(bin_["confidence"], bin_["accuracy"]) for bin_ in row["calibration"].get(field) or () if bin_["n"]],
        )
        for role, label, field in CURVES
    ]
    drawn = [(role, label, points) for role, label, points in curves if points]
    floor = max(0.0, min((min(point) for _, _, points in drawn for point in points), default=0.0) - 0.05)
    with figure_style():
        figure = Figure(figsize=(3.4, 3.3))
        axes = figure.add_axes((0.16, 0.15, 0.8, 0.8))
        axes.plot([floor, 1], [floor, 1], color=COLOURS["muted"], linewidth=0.8, linestyle=DOTTED)
        for above, (role, label, points) in enumerate(reversed(drawn)):
            x, y = zip(*points, strict=True)
            axes.plot(
                x,
                y,
                color=COLOURS[role],
                linewidth=1.1,
                marker=MARKERS[role],
                markersize=3.2,
                zorder=3 - above / 5,
            )
            axes.text(0.97, 0.04 + 0.065 * above, label, color=COLOURS[role], ha="right", transform=axes.transAxes)
        axes.set(xlim=(floor, 1.01), ylim=(floor, 1.01), aspect="equal")
        axes.set_xlabel("confidence (mean probability of the answer)")
        axes.set_ylabel("accuracy (share of the bin)")
        axes.grid(True)
        axes.locator_params(nbins=5)
        return figure


@dataclass(frozen=True)
class SizePoint:
    """One pair of models in the figure of sizes."""

    params: float
    weak: str
    row: Row


def size_points(results: Results) -> list[SizePoint]:
    """Return the naive (or first) row of every pair whose strong model has a known size."""
    models = results.get("models") or {}
    points = []
    for group in main_groups(results):
        params = (models.get(group.strong) or {}).get("params")
        row = naive_row(group) or next(iter(group.methods), None)
        if params and row is not None and (row.get("student") or {}).get("mean") is not None:
            points.append(SizePoint(params, model_name(results, group.weak), row))
    return sorted(points, key=lambda point: point.params)


def sizes(points: Sequence[SizePoint]) -> Figure:
    """Draw the student's score against its number of parameters, one line per weak model, and the ceiling."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    with figure_style():
        figure = Figure(figsize=(WIDTH_INCHES, 3.0))
        axes = figure.add_axes((0.12, 0.16, 0.58, 0.78))
        axes.set_xscale("log")
        labels = [_size_line(axes, points, weak, style) for weak, style in _styles(points)]
        labels += _ceiling_line(axes, points)
        widest = points[-1].params
        for (y, text, colour), at in zip(labels, spread([label[0] for label in labels], axes.get_ylim()), strict=True):
            axes.annotate(
                text,
                (widest, y),
                (1.03, at),
                textcoords=axes.get_yaxis_transform(),
                va="center",
                color=colour,
            )
        params = sorted({point.params for point in points})
        axes.set_xticks(params, [count(size).replace(" million", "M").replace(" billion", "B") for size in params])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("parameters of the strong model (log scale)")
        axes.set_ylabel(axis_label(str(points[0].row.get("metric"))))
        axes.grid(True, axis="y")
        return figure


def spread(heights: Sequence[float], limits: tuple[float, float], share: float = 0.07) -> list[float]:
    """Return heights at least `share` of the axis apart, in the same order, so that labels do not overlap.

    >>> spread([0.5, 0.5], (0.0, 1.0), share=0.1)
    [0.45, 0.55]
    """
    apart = share * (limits[1] - limits[0])
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed = [heights[index] for index in order]
    for position in range(1, len(placed)):
        placed[position] = max(placed[position], placed[position - 1] + apart)
    shift = (sum(heights) - sum(placed)) / max(1, len(placed))
    moved = dict(zip(order, placed, strict=True))
    return [round(moved[index] + shift, 9) for index in range(len(heights))]


def _styles(points: Sequence[SizePoint]) -> list[tuple[str, str]]:
    names = dict.fromkeys(point.weak for point in points)
    return [(name, LINE_STYLES[number % len(LINE_STYLES)]) for number, name in enumerate(names)]


def _size_line(axes: Axes, points: Sequence[SizePoint], weak: str, style: str) -> tuple[float, str, str]:
    """Draw one weak model's students and return where and how the line is labelled."""
    its = [point for point in points if point.weak == weak]
    means = [point.row["student"]["mean"] for point in its]
    colour = COLOURS["student"]
    axes.plot(
        [point.params for point in its],
        means,
        color=colour,
        linewidth=1.2,
        linestyle=style,
        marker="o",
        markersize=4,
    )
    for point in its:
        low, high = point.row["student"].get("low"), point.row["student"].get("high")
        if low is not None and high is not None:
            axes.plot([point.params] * 2, [low, high], color=colour, linewidth=1)
    return means[-1], f"from {short(weak, 18)}", colour


def _ceiling_line(axes: Axes, points: Sequence[SizePoint]) -> list[tuple[float, str, str]]:
    ceilings = {
        p.params: p.row["ceiling"]["mean"] for p in points if (p.row.get("ceiling") or {}).get("mean") is not None
    }
    if not ceilings:
        return []
    colour = COLOURS["ceiling"]
    axes.plot(
        list(ceilings),
        list(ceilings.values()),
        color=colour,
        linewidth=1,
        linestyle=DOTTED,
        marker="D",
        markersize=3.5,
    )
    return [(list(ceilings.values())[-1], "strong ceiling", colour)]
