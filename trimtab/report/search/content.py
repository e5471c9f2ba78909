"""Everything that the page of a search study shows."""

from __future__ import annotations

from typing import Any

from trimtab.report import cost, provenance
from trimtab.report.grid import Grid
from trimtab.report.search.answer import answer
from trimtab.report.search.grids import Results, guide_grid, main_grid, name_of, reading_grid, reward_grid, rows
from trimtab.report.untrusted import printable

TEXT_CHARACTERS = 500


def search_content(results: Results, figures: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what the template shows, by name."""
    from markupsafe import Markup

    interval, prompts = results["interval"], results["prompts"]
    methods, seeds = len(results["rows"]), len(results["seeds"])
    return {
        "name": printable(results.get("name") or "unnamed run"),
        "title_line": f"task {printable(results['task']['kind'])}, {prompts['prompts']:,} prompts, {methods} methods, "
        f"{seeds} seed{'s' if seeds != 1 else ''}",
        "answer": answer(results),
        "task_notes": [printable(note, 600) for note in results["task"].get("notes") or ()],
        "warnings": provenance.warning_texts(dict(results)),
        "main": main_grid(results),
        "reading": reading_grid(results),
        "guide": guide_grid(results),
        "rewards": reward_grid(results),
        # the only markup that is not escaped by the template: drawn by us, its texts escaped by the XML writer
        "figures": [one | {"svg": Markup(one["svg"])} for one in figures["figures"]],
        "examples": _examples(results),
        "models": Grid("Models", ("", ""), tuple((place, printable(name, 80)) for place, name in _models(results))),
        "cost": cost.cost_grid(dict(results)),
        "dearest": cost.dearest_grid(dict(results)),
        "versions": provenance.version_grid(dict(results)),
        "experiment": provenance.experiment_text(dict(results)),
        "interval_level": f"{100 * interval['level']:g} %",
        "interval_draws": f"{interval['draws']:,}",
    }


def _models(results: Results) -> list[tuple[str, str]]:
    return [(place.removesuffix(".model").replace(".", ", "), name) for place, name in results["models"].items()]


def _examples(results: Results) -> list[dict[str, Any]]:
    names = {row["method"]: name_of(row) for row in rows(results)}
    return [
        {
            "prompt": printable(one["prompt"], TEXT_CHARACTERS),
            "answers": [(shown, printable(one["answers"][name], TEXT_CHARACTERS)) for name, shown in names.items()],
        }
        for one in results["examples"]
    ]
