"""Draw supervisor, naive student and ceiling by the size of the crowd, on all test items and on the unclear ones.

.venv/bin/python recipes/human-ratings/draw.py runs/human-ratings [picture.png]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from trimtab.report.figure_style import COLOURS, MARKERS, figure_style, saved

CROWDS = {"w0": "1", "w1": "2", "w2": "5", "w3": "10", "w4": "MiniLM,\ntaught\nby 1", "w5": "MiniLM,\ntaught\ntruth"}
SLICES = {"all test items": None, "mean rating within 1 of 0": "abs_mean_rating at most 1"}
ROLES = (
    ("weak_score", "weak", "supervisor"),
    ("student", "student", "naive student"),
    ("ceiling", "ceiling", "ceiling"),
)


def picture(rows: list[dict[str, Any]]) -> Figure:
    """Return one panel per slice, with 95 % intervals."""
    with figure_style():
        figure = Figure(figsize=(7.6, 3.1), layout="constrained")
        panels = figure.subplots(1, len(SLICES), sharey=True)
        for axes, (title, part) in zip(panels, SLICES.items(), strict=True):
            chosen = {row["weak"]: row for row in rows if row["slice"] == part}
            for shift, (field, role, name) in zip((-0.16, 0, 0.16), ROLES, strict=True):
                blocks = [chosen[key][field] for key in CROWDS]
                places = [at + shift for at in range(len(CROWDS))]
                middle = [block["mean"] for block in blocks]
                below = [block["mean"] - block["low"] for block in blocks]
                above = [block["high"] - block["mean"] for block in blocks]
                style = {"fmt": MARKERS[role], "color": COLOURS[role], "markersize": 4, "linewidth": 1.1}
                axes.errorbar(places, middle, yerr=[below, above], label=name, **style)
            axes.set_title(title, fontsize=9)
            axes.set_xticks(range(len(CROWDS)), list(CROWDS.values()), fontsize=7.5)
            axes.set_xlabel("ratings per item")
            axes.grid(axis="y")
        panels[0].set_ylabel("accuracy")
        panels[0].legend(frameon=False, fontsize=8)
        return figure


def main() -> None:
    """Read results.json of a run and write a picture beside this file, or where the second argument says."""
    run = Path(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "crowds.png"
    results = json.loads((run / "results.json").read_text("utf-8"))
    rows = [row for row in results["rows"] if row["method"] == "naive" and row["metric"] == "accuracy"]
    out.write_bytes(saved(picture([row for row in rows if not row["control"]]), "png"))
    print(out)


if __name__ == "__main__":
    main()
