"""Commands that plan and run studies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.commands.app import (
    FileArgument,
    JsonOption,
    RunsOption,
    SetOption,
    StoreOption,
    WorkersOption,
    app,
    print_json,
)

if TYPE_CHECKING:
    from trimtab.results import Results

NAMED = 3
"""Rows that a warning names before it only counts them."""


@app.command()
def demo(store: StoreOption = None, workers: WorkersOption = None, runs: RunsOption = Path("runs")) -> None:
    """Run the movie-sentiment study on the embedded models and data. What is absent is fetched first."""
    from trimtab.demo import demo_experiment, fetch_missing
    from trimtab.executors.choose import executor_named

    experiment = demo_experiment()
    fetch_missing(experiment)
    _run(experiment, store, executor_named("local", workers=workers), runs, as_json=False)


@app.command()
def run(
    file: FileArgument,
    set_: SetOption = None,
    store: StoreOption = None,
    executor: Annotated[str, typer.Option(help="Who makes the stages: local, ray or slurm.")] = "local",
    workers: WorkersOption = None,
    ray_address: Annotated[str | None, typer.Option(help="HOST:PORT of a running Ray cluster, or auto.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Processors of a stage (ray, slurm).")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a stage that loads a model (ray, slurm).")] = None,
    partition: Annotated[str | None, typer.Option(help="Partition of the queue (slurm).")] = None,
    minutes: Annotated[int | None, typer.Option(min=1, help="Time limit of a job (slurm).")] = None,
    runs: RunsOption = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    check: Annotated[Path | None, typer.Option("--check", help="Compare with expected.json; exit 1 outside.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study and print its table. Its results.json and report.html go into RUNS/name."""
    from trimtab.executors.choose import executor_named
    from trimtab.experiment import load

    experiment = load(file, set_ or [])
    if dry_run:
        _print_plan(experiment, store, as_json)
        return
    options = {"workers": workers, "ray_address": ray_address, "cpus": cpus, "gpus": gpus}
    chosen = executor_named(executor, **options, partition=partition, minutes=minutes)
    results = _run(experiment, store, chosen, runs, as_json)
    if check is not None:
        from trimtab.expected import check_expected

        problems = check_expected(results, check)
        for problem in problems:
            print(f"outside the expected range: {problem}", file=sys.stderr)
        if problems:
            raise typer.Exit(1)
        print(f"every value of {check} is in its range", file=sys.stderr)


def _run(experiment: Any, store: str | None, executor: Any, runs: Path, as_json: bool) -> Any:
    from trimtab.study import run as run_study
    from trimtab.terminal import monitor

    listener = monitor()
    _tell_of_replacing(runs / experiment.name, experiment.text)
    try:
        results = run_study(experiment, store=store, executor=executor, runs=runs, monitor=listener)
    finally:
        listener.stop()
    print_json(results.data) if as_json else print(results.table())
    print_warnings(results)
    print(f"report: {runs / experiment.name / 'report.html'}", file=sys.stderr)
    return results


def print_warnings(results: Results) -> None:
    """Print each warning once on stderr, with the first rows that it is said of, called as in the table."""
    from trimtab.report.provenance import about

    spoken: dict[str, dict[str, None]] = {}
    for one in results.warnings:
        if one["code"] != "data":
            spoken.setdefault(one["text"], {}).update({one["row"]: None} if one["row"] else {})
    for text, rows in spoken.items():
        names = [about(results.data, row) for row in list(rows)[:NAMED]]
        names += [f"{len(rows) - NAMED} more"] if len(rows) > NAMED else []
        print(f"warning: {', '.join(names)}{': ' if names else ''}{text}", file=sys.stderr)


def _tell_of_replacing(folder: Path, text: str) -> None:
    """Say on stderr that a run's folder holds the results of another experiment of the same name."""
    from trimtab.errors import UsageError
    from trimtab.results import Results

    try:
        earlier = Results.read(folder / "results.json")
    except UsageError:
        return  # nothing readable is there to be replaced
    if earlier.data.get("experiment") != text:
        print(f"{folder} holds the results of another experiment of this name; they will be replaced", file=sys.stderr)


@app.command()
def plan(file: FileArgument, set_: SetOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what a study would do. What is cached, what the rest may cost, what gap its test split can resolve."""
    from trimtab.experiment import load

    _print_plan(load(file, set_ or []), store, as_json)


def _print_plan(experiment: Any, store: str | None, as_json: bool) -> None:
    from trimtab.forecast import forecast, forecast_text
    from trimtab.store import Store

    found = forecast(experiment, Store.open(store))
    print_json(found) if as_json else print(forecast_text(found))
