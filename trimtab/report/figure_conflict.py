"""The deception score against its threshold, with the base rate and the noise floor beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.diagnostics.deception import MARKED
from trimtab.report.figure_curves import spread
from trimtab.report.figure_rows import DOTTED
from trimtab.report.figure_style import COLOURS, MARKERS, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = (
    ("student", "deception score", "score"),
    ("ceiling", "base rate", "base_rate"),
    ("control", "noise floor", "noise_floor"),
)


def deception_curve(curve: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw score, base rate and noise floor over T with their intervals as bands; what is undefined is left out."""
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(3.9, 2.9))
        axes = figure.add_axes((0.14, 0.16, 0.54, 0.78))
        for threshold in MARKED:
            axes.axvline(threshold, color=COLOURS["muted"], linewidth=0.7, linestyle=DOTTED)
        axes.set(xlim=(0.48, 0.97), ylim=(0, 1))
        ends = [end for role, label, name in CURVES if (end := _drawn(axes, curve, role, label, name))]
        for (y, label, colour), at in zip(ends, spread([end[0] for end in ends], axes.get_ylim()), strict=True):
            beside = axes.get_yaxis_transform()
            axes.annotate(label, (0.95, y), (1.03, at), textcoords=beside, va="center", color=colour)
        axes.set_xlabel("threshold T of knowing")
        axes.set_ylabel("share in the region")
        axes.grid(True, axis="y")
        return figure


def _drawn(
    axes: Axes, curve: Sequence[Mapping[str, Any]], role: str, label: str, name: str
) -> tuple[float, str, str] | None:
    """Draw one curve with its band; return where and how it is labelled, or nothing where it has no point."""
    known = [entry for entry in curve if entry[name]["mean"] is not None]
    if not known:
        return None
    at, colour = [entry["threshold"] for entry in known], COLOURS[role]
    mean, low, high = (np.array([entry[name][end] for entry in known], float) for end in ("mean", "low", "high"))
    axes.plot(at, mean, color=colour, linewidth=1.1, marker=MARKERS[role], markersize=3)
    sure = np.isfinite(low) & np.isfinite(high)
    if sure.any():
        axes.fill_between(at, low, high, where=sure.tolist(), color=colour, alpha=0.16, linewidth=0)
    return float(mean[-1]), label, colour
