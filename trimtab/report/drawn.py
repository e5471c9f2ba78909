"""The figures of a page as SVG text, remembered beside it: the same results are not drawn a second time.

Drawing takes longer than everything else that a finished study does when it is run again.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trimtab.report.figure_style import inline_svg
from trimtab.report.figures import (
    Drawing,
    agreement_figures,
    calibration_figures,
    conflict_figures,
    learning_figures,
    score_figures,
    size_figure,
)
from trimtab.report.groups import Results
from trimtab.report.search.figures import search_figures

Figures = dict[str, list[dict[str, Any]]]
"""By the part of the page: SVG, caption, and whether the figure is a small one."""

_READ = ("rows", "curves", "models", "seeds", "interval", "task")
"""The parts of the results that figures show."""


def drawn_figures(results: Results, notebook: Path | None = None) -> Figures:
    """Return the page's figures, from `notebook` if it holds those of the same results, else drawn and noted there."""
    key = _key(results)
    known = _noted(notebook, key) if notebook else None
    if known is not None:
        return known
    drawn = _search(results) if results.get("study") == "search" else _generalize(results)
    if notebook:
        notebook.write_text(json.dumps({"key": key, "figures": drawn}), "utf-8")
    return drawn


def _search(results: Results) -> Figures:
    return {"figures": [_drawn(one) for one in search_figures(results)]}


def _generalize(results: Results) -> Figures:
    size = size_figure(results)
    return {
        "score_figures": [_drawn(one) for one in score_figures(results)],
        "size_figures": [_drawn(size)] if size else [],
        "learning_figures": [_drawn(one) for one in learning_figures(results)],
        "agreement_figures": [_drawn(one) for one in agreement_figures(results)],
        "calibration_figures": [_drawn(one) for one in calibration_figures(results)],
        "conflict_figures": [_drawn(one) for one in conflict_figures(results)],
    }


def _drawn(drawing: Drawing) -> dict[str, Any]:
    svg = inline_svg(drawing.figure, drawing.description, drawing.name)
    return {"svg": svg, "caption": drawing.caption, "small": drawing.name.startswith(("calibration", "deception"))}


def _key(results: Results) -> str:
    """Return a digest of what the figures show and of what draws them."""
    shown = json.dumps({name: results.get(name) for name in _READ}, sort_keys=True, default=str)
    parts = [shown.encode(), version("matplotlib").encode()]
    parts += [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _noted(notebook: Path, key: str) -> Figures | None:
    try:
        found = json.loads(notebook.read_text("utf-8"))
        return found["figures"] if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or cut off: it is only a memory, and made again
