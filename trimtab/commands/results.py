"""Commands that read finished runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trimtab.commands.app import JsonOption, StoreOption, app, print_json


@app.command()
def compare(
    first: str,
    second: str,
    everything: Annotated[bool, typer.Option("--all", help="Also the other metrics and the slices.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put two runs side by side. Folders, results.json files or names under runs/; --json has all metrics."""
    from trimtab.report import compare_rows, compare_table
    from trimtab.results import Results

    a, b = (dict(Results.read(one).of_weak_labels("compare").data) for one in (first, second))
    print_json(compare_rows(a, b)) if as_json else print(compare_table(a, b, everything=everything))


@app.command()
def rank(
    runs: Annotated[list[str], typer.Argument(help="Run folders, results.json files or names under runs/.")],
    as_json: JsonOption = False,
) -> None:
    """Rank the methods that several runs have in common, and take the mean over runs and pairs of models."""
    from trimtab.report.ranks import mean_ranks, ranks_table
    from trimtab.results import Results

    found = mean_ranks([dict(Results.read(one).of_weak_labels("rank").data) for one in runs])
    print_json(found) if as_json else print(ranks_table(found))


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Run folder, results.json or name under runs/.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file to write.")] = None,
    figures: Annotated[Path | None, typer.Option("--figures", help="Folder for the figures as PNG and PDF.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also the other metrics and the slices.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a finished run's table and write its report again."""
    from trimtab.results import Results

    results = Results.read(name)
    print_json(results.data) if as_json else print(results.table(everything=everything))
    if output is not None:
        print(f"report: {results.report(output)}", file=sys.stderr)
    if figures is not None:
        from trimtab.report import write_figures

        for path in write_figures(dict(results.data), figures):
            print(f"figure: {path}", file=sys.stderr)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Run folder, results.json or name under runs/.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the files, made if absent.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write items, predictions and labels as parquet files. They go into FOLDER; --json lists them."""
    from trimtab.results import Results
    from trimtab.store import Store

    opened = Store.open(store) if store else None
    files = [str(path) for path in Results.read(name).export(folder, opened)]
    print_json(files) if as_json else print(f"{len(files)} parquet files in {folder}")
