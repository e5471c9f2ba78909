"""The figure of learning curves: score against the number of labels, weak ones and ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.report.figure_curves import spread
from trimtab.report.figure_rows import DOTTED, axis_label
from trimtab.report.figure_style import COLOURS, MARKERS, WIDTH_INCHES, figure_style
from trimtab.report.numbers import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = (("ground_truth", "ground truth", "ceiling"), ("weak_labels", "weak labels", "student"))

Label = tuple[float, str, str]
"""Height, words and colour of what stands at the right end of a line."""


def learning(curve: Mapping[str, Any]) -> Figure:
    """Draw both curves of a pair with bands, its supervisor, and where the level of all weak labels is reached."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    sizes = curve["sizes"]
    with figure_style():
        figure = Figure(figsize=(WIDTH_INCHES, 3.0))
        axes = figure.add_axes((0.12, 0.16, 0.62, 0.78))
        axes.set_xscale("log")
        labels = [label for field, words, role in CURVES for label in _curve(axes, sizes, curve[field], words, role)]
        labels += _supervisor(axes, curve.get("weak_score") or {})
        _worth(axes, curve)
        at = spread([label[0] for label in labels], axes.get_ylim())
        for (y, words, colour), height in zip(labels, at, strict=True):
            axes.annotate(
                words,
                (sizes[-1], y),
                (1.03, height),
                textcoords=axes.get_yaxis_transform(),
                va="center",
                color=colour,
            )
        axes.set_xticks(sizes, [count(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("labels that the student learns from (log scale)")
        axes.set_ylabel(axis_label(str(curve.get("metric"))))
        axes.grid(True, axis="y")
        return figure


def _curve(axes: Axes, sizes: Sequence[int], blocks: Sequence[Mapping[str, Any]], words: str, role: str) -> list[Label]:
    """Draw one curve with its band and return its label; nothing where no score is known."""
    points = [(size, block) for size, block in zip(sizes, blocks, strict=True) if block.get("mean") is not None]
    if not points:
        return []
    colour = COLOURS[role]
    means = [block["mean"] for _, block in points]
    drawn = [size for size, _ in points]
    axes.plot(drawn, means, color=colour, linewidth=1.2, marker=MARKERS[role], markersize=3.6)
    banded = [(size, block["low"], block["high"]) for size, block in points if block.get("low") is not None]
    if len(banded) > 1:
        at, low, high = (list(column) for column in zip(*banded, strict=True))
        axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    for size, low, high in banded if len(banded) == 1 else ():
        axes.plot([size, size], [low, high], color=colour, linewidth=1)
    return [(means[-1], words, colour)]


def _supervisor(axes: Axes, block: Mapping[str, Any]) -> list[Label]:
    if block.get("mean") is None:
        return []
    axes.axhline(block["mean"], color=COLOURS["weak"], linewidth=0.8, linestyle=DOTTED, zorder=0)
    return [(block["mean"], "weak supervisor", COLOURS["weak"])]


def _worth(axes: Axes, curve: Mapping[str, Any]) -> None:
    """Draw the level that all weak labels reach, to where ground truth reaches it."""
    number, level = (curve.get("worth") or {}).get("value"), curve["weak_labels"][-1].get("mean")
    if number is None or level is None:
        return
    axes.set_ylim(axes.get_ylim())  # what is drawn from here on shall not move them
    level_line = (number, curve["sizes"][-1]), (level, level)
    drop = (number, number), (axes.get_ylim()[0], level)
    for x, y in (level_line, drop):
        axes.plot(x, y, color=COLOURS["muted"], linewidth=0.8, linestyle=DOTTED)
