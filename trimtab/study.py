"""Run a study from experiment to report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.environment import package_versions
from trimtab.executors.choose import Executor, LocalSettings, run_on
from trimtab.executors.monitor import Monitor, Quiet, StageReport
from trimtab.models.precision import device_class
from trimtab.plan import AnyExperiment, Plan, SearchPlan, plan, purposes
from trimtab.preflight import preflight
from trimtab.report import write_report
from trimtab.results import Results
from trimtab.store import Store, write_json


def run(
    experiment: AnyExperiment,
    *,
    store: Path | str | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    runs: Path | str | None = None,
    monitor: Monitor | None = None,
) -> Results:
    """Make everything the experiment needs and return its results.

    `executor` says who makes the stages; without it, so many workers of this machine. With `runs`, also write
    results.json and report.html into the folder `runs/<name>`.
    Raises ExperimentError or TaskError before anything is run, StageError after everything that can be done is done.
    """
    planned = plan(experiment)
    opened = Store.open(store)
    known = preflight(experiment, planned, opened)
    chosen = executor or LocalSettings(workers)
    reports = run_on(chosen, planned.stages, opened, monitor or Quiet(), purposes(planned))
    results = Results(_assemble(experiment, planned, opened, reports, known.warnings))
    if runs is not None:
        write_run(results, Path(runs) / experiment.name)
    return results


def write_run(results: Results, folder: Path) -> None:
    """Write a run's folder: results.json, report.html, and the figures in it so that they are drawn once."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", results.data)
    write_report(dict(results.data), folder / "report.html", notebook=folder / "figures.json")


def _assemble(
    experiment: AnyExperiment, planned: Plan | SearchPlan, store: Store, reports: list[StageReport],
    remarks: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Put what was measured and what this run did into one envelope."""
    compare = planned.compare
    measured = json.loads((store.folder(compare.kind, compare.digest) / "results.json").read_text("utf-8"))
    stages = [
        {
            name: getattr(one, name)
            for name in ("kind", "digest", "title", "seconds", "cached", "tokens", "peak_memory_bytes")
        }
        for one in reports
    ]
    warnings = [*measured["warnings"], *({"code": "prompt", "row": None, "text": text} for text in remarks)]
    return measured | {
        "warnings": warnings,
        "name": experiment.name,
        "experiment": experiment.text,
        "versions": package_versions(),
        "device": f"{device_class()}, {os.cpu_count()} processors",
        "store": store.place,
        "stages": stages,
    }
