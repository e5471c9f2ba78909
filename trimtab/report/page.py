"""One self-contained HTML page: no network, no script, and no style but its own, which a content policy enforces."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.comparison.controls import CONTROLS
from trimtab.report import conflicts, cost, curves, explained, findings, kept, provenance
from trimtab.report.answer import answer, control_sentences
from trimtab.report.drawn import Figures, drawn_figures
from trimtab.report.groups import Results, main_groups
from trimtab.report.numbers import INTERVALS, STATUSES
from trimtab.report.search.content import search_content
from trimtab.report.untrusted import printable

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
TRUTHS = {
    "none": "saw no ground truth of the transfer or test split; tables do not mark it",
    "supervisor": "used ground truth of the supervisor split only, cross-fitted there",
    "budget(n)": "used n ground-truth labels of the transfer split",
    "oracle": "used ground truth that a weak-to-strong learner would not have: a bound or a control, not a method",
}


def write_report(results: Results, out: Path, notebook: Path | None = None) -> Path:
    """Write the report of `results` to `out` and return it; a reader never meets half a page.

    With `notebook`, figures are remembered there and not drawn again for the same results.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = render(results, drawn_figures(results, notebook))
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return out


def render(results: Results, figures: Figures | None = None) -> str:
    """Return the page as text; the same results give the same text. Without `figures`, they are drawn."""
    style = (FOLDER / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    drawn = figures or drawn_figures(results)
    searches = results.get("study") == "search"
    content = search_content(results, drawn) if searches else _content(results, drawn)
    template = _environment().get_template("search/page.html.jinja" if searches else "page.html.jinja")
    return template.render(style=style, style_hash=f"sha256-{digest}", **content)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(results: Results, figures: Figures) -> dict[str, Any]:
    """Return everything that the template shows, by the part of the page that shows it."""
    return {
        **_opening(results),
        **_comparison(results),
        **_figures(figures),
        **_provenance(results),
        **_reading(results),
    }


def _opening(results: Results) -> dict[str, Any]:
    task = results.get("task") or {}
    return {
        "name": printable(results.get("name") or "unnamed run"),
        "title_line": _title_line(results),
        "answer": answer(results),
        "task_notes": [printable(note, 600) for note in task.get("notes") or ()],
        "warnings": provenance.warning_texts(results),
    }


def _comparison(results: Results) -> dict[str, Any]:
    used = {str(row.get("control")) for row in results.get("rows") or () if row.get("control")}
    sentences = control_sentences(results)
    return {
        "main_grids": findings.main_grids(results),
        "other_grids": findings.other_grids(results),
        "aggregate": findings.aggregate_grid(results),
        "agreement_grids": findings.agreement_grids(results),
        "error_grids": explained.error_grids(results),
        "misfit_grids": explained.misfit_grids(results),
        "overlap_grid": explained.overlap_grid(results),
        "worth_sentences": curves.worth_sentences(results),
        "curve_grids": curves.curve_grids(results),
        "conflict_grids": conflicts.conflict_grids(results),
        "conflict_sentences": [printable(one, 600) for one in conflicts.conflict_sentences(results)],
        "goals_sentence": printable(conflicts.goals_sentence(results), 600),
        "kept_grids": kept.kept_grids(results),
        "calibration_grids": findings.calibration_grids(results),
        "label_grids": findings.label_grids(results),
        "seed_grids": findings.seed_grids(results),
        "controls": [one for name, one in CONTROLS.items() if name in used],
        "control_sentences": sentences if len(sentences) > 1 else [],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    from markupsafe import Markup

    # The only markup that is not escaped by the template: drawn by us, its texts escaped by the XML writer.
    return {part: [one | {"svg": Markup(one["svg"])} for one in drawn] for part, drawn in figures.items()}


def _provenance(results: Results) -> dict[str, Any]:
    return {
        "examples": provenance.examples(results),
        "models": provenance.model_grid(results),
        "splits": provenance.split_grid(results),
        "seed_splits": provenance.seed_split_grid(results),
        "losses": provenance.losses_grid(results),
        "cost": cost.cost_grid(results),
        "dearest": cost.dearest_grid(results),
        "versions": provenance.version_grid(results),
        "experiment": provenance.experiment_text(results),
    }


def _reading(results: Results) -> dict[str, Any]:
    interval = results.get("interval") or {}
    method = str(interval.get("method") or "")
    return {
        "statuses": {name.replace("_", " "): meaning for name, meaning in STATUSES.items()},
        "truths": TRUTHS,
        "interval_method": INTERVALS.get(method, printable(method) or "not recorded"),
        "interval_level": f"{100 * interval['level']:g} %" if interval.get("level") else "Unstated level",
        "interval_draws": f"{interval['draws']:,}" if interval.get("draws") else "",
    }


def _title_line(results: Results) -> str:
    groups, seeds = main_groups(results), len(results.get("seeds") or ())
    kind = (results.get("task") or {}).get("kind")
    methods = len({str(row.get("method")) for group in groups for row in group.methods})
    parts = [
        f"task {printable(kind)}" if kind else "",
        f"{len(groups)} pair{'s' if len(groups) != 1 else ''} of models",
        f"{methods} method{'s' if methods != 1 else ''}",
        f"{seeds} seed{'s' if seeds != 1 else ''}",
    ]
    return ", ".join(filter(None, parts))
