"""Figures with one line per method: a point, its interval, its number at the right edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.report.figure_style import (
    COLOURS,
    MARKERS,
    ROW_INCHES,
    WIDTH_INCHES,
    figure_style,
)
from trimtab.report.groups import Group, metric_name, row_name
from trimtab.report.lines import lines
from trimtab.report.numbers import decimal
from trimtab.report.untrusted import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME_CHARACTERS = 22
GAP_LIMITS = (-1.0, 2.0)
"""PGR outside these is drawn as an arrow at the edge; its number stands beside it."""
DOTTED = (0, (2, 3))
SHARES = ("accuracy", "balanced_accuracy")


def scores(group: Group) -> Figure:
    """Draw weak supervisor, methods, ceiling and controls, each score with its interval."""
    entries = _score_entries(group)
    with figure_style():
        figure, axes = _canvas([name for name, _, _ in entries], numbers_inches=0.55)
        for at, (_, role, block) in enumerate(entries):
            if block is None or block.get("mean") is None:
                _number(axes, at, "none")
                continue
            _interval(axes, at, block["mean"], block.get("low"), block.get("high"), role)
            _number(axes, at, decimal(block["mean"]))
            if role in ("weak", "ceiling"):
                axes.axvline(block["mean"], color=COLOURS[role], linewidth=0.8, linestyle=DOTTED, zorder=0)
        _rule(axes, len(entries) - len(group.controls), len(group.controls))
        axes.set_xlabel(axis_label(group.metric))
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=6)
        return figure


def gap_recovered(group: Group) -> Figure:
    """Draw the PGR of each row between 0 (weak supervisor) and 1 (strong ceiling)."""
    rows = [row for row in group.rows if row.get("pgr")]
    low, high = gap_range([row["pgr"] for row in rows])
    with figure_style():
        figure, axes = _canvas([row_name(row) for row in rows], numbers_inches=1.05)
        axes.set_xlim(low, high)
        for at, row in enumerate(rows):
            block, role = row["pgr"], "control" if row.get("control") else "student"
            status = str(block.get("status") or "undefined").replace("_", " ")
            if block.get("value") is None:
                _number(axes, at, short(status, 12))
                continue
            _interval(axes, at, block["value"], block.get("low"), block.get("high"), role, limits=(low, high))
            _number(axes, at, decimal(block["value"], 2) + ("" if status == "ok" else f" {short(status, 10)}"))
        for at, role in ((0, "weak"), (1, "ceiling")):
            axes.axvline(at, color=COLOURS[role], linewidth=0.8, linestyle=DOTTED, zorder=0)
            _above(axes, at, role, COLOURS[role], data=True)
        _rule(axes, sum(not row.get("control") for row in rows), len(group.controls))
        axes.set_xlabel("performance gap recovered (share of the gap)")
        return figure


def agreement(group: Group) -> Figure:
    """Draw how often each student agrees with its supervisor where that is right (filled) and wrong (open)."""
    rows = [row for row in group.rows if row.get("agreement")]
    with figure_style():
        figure, axes = _canvas([row_name(row) for row in rows], numbers_inches=0.15)
        for at, row in enumerate(rows):
            for field, role in (("when_weak_right", "student"), ("when_weak_wrong", "control")):
                block = row["agreement"].get(field)
                if block is not None and block.get("mean") is not None:
                    _interval(axes, at, block["mean"], block.get("low"), block.get("high"), role)
        axes.set_xlim(-0.02, 1.02)
        _above(axes, 1.0, "supervisor right", COLOURS["student"], ha="right")
        _above(axes, 0.0, "supervisor wrong (open)", COLOURS["control"], ha="left")
        axes.set_xlabel("agreement with the supervisor (share of those items)")
        return figure


def gap_range(blocks: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the limits of the PGR axis: always 0 and 1, and never beyond `GAP_LIMITS`.

    >>> gap_range([{"value": 0.5, "low": -7.0, "high": 1.2}])
    (-1.0, 1.25)
    """
    ends = [b[name] for b in blocks if b.get("value") is not None for name in ("value", "low", "high") if name in b]
    known = [end for end in ends if end is not None]
    return max(GAP_LIMITS[0], min([-0.1, *known]) - 0.05), min(GAP_LIMITS[1], max([1.1, *known]) + 0.05)


def axis_label(metric: str) -> str:
    """Return a metric with its unit where it has one."""
    return metric_name(metric) + (" (share of test items)" if metric in SHARES else "")


def _score_entries(group: Group) -> list[tuple[str, str, Mapping[str, Any] | None]]:
    shared = {line.kind: line.name for line in lines(group) if line.kind in ("weak", "ceiling")}
    first = (group.methods or group.controls)[0]
    entries: list[tuple[str, str, Mapping[str, Any] | None]] = []
    if "weak" in shared:
        entries.append(("weak supervisor", "weak", first.get("weak_score")))
    entries += [(row_name(row), "student", row.get("student")) for row in group.methods]
    if "ceiling" in shared:
        entries.append(("strong ceiling", "ceiling", first.get("ceiling")))
    return entries + [(row_name(row), "control", row.get("student")) for row in group.controls]


def _canvas(names: Sequence[str], numbers_inches: float) -> tuple[Figure, Axes]:
    """Return axes with one named line per entry, room for numbers at the right, and inches that do not depend on how
    many lines there are."""
    from matplotlib.figure import Figure

    shown = [short(name, NAME_CHARACTERS) for name in names]
    height = ROW_INCHES * max(1, len(names)) + 0.75
    left = 0.15 + 0.073 * max(map(len, shown), default=0)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    box = (left / WIDTH_INCHES, 0.5 / height, 1 - (left + numbers_inches) / WIDTH_INCHES, 1 - 0.75 / height)
    axes = figure.add_axes(box)
    axes.set_yticks(range(len(names)), shown)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"], pad=72 * (left - 0.02))
    for label in axes.get_yticklabels():
        label.set_horizontalalignment("left")
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    return figure, axes


def _interval(
    axes: Axes,
    at: float,
    mean: float,
    low: float | None,
    high: float | None,
    role: str,
    limits: tuple[float, float] | None = None,
) -> None:
    colour = COLOURS[role]
    floor, top = limits or (float("-inf"), float("inf"))
    if low is not None and high is not None:
        ends = [min(max(end, floor), top) for end in (low, high)]
        axes.plot(ends, [at, at], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    for end, outside, arrow in (
        (floor, low is not None and low < floor, "<"),
        (top, high is not None and high > top, ">"),
    ):
        if outside:
            axes.plot(
                [end],
                [at],
                marker=arrow,
                color=colour,
                markersize=5,
                clip_on=False,
                linestyle="none",
                zorder=3,
            )
    if floor <= mean <= top:
        inside = COLOURS["paper"] if role == "control" else colour
        axes.plot([mean], [at], marker=MARKERS[role], markersize=5.5, color=colour, markerfacecolor=inside, zorder=3)


def _rule(axes: Axes, before: int, controls: int) -> None:
    """Set the controls apart."""
    if before and controls:
        axes.axhline(before - 0.5, color=COLOURS["rule"], linewidth=0.7, zorder=0)


def _number(axes: Axes, at: float, text: str) -> None:
    axes.annotate(
        text,
        (1, at),
        (6, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
    )


def _above(axes: Axes, x: float, text: str, colour: str, *, ha: str = "center", data: bool = False) -> None:
    axes.annotate(
        text, (x, 1), (0, 3), xycoords=("data" if data else "axes fraction", "axes fraction"),
        textcoords="offset points", ha=ha, va="bottom", color=colour, fontsize=8,
    )  # fmt: skip
