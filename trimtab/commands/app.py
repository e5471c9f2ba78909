"""The application and the options that several commands share. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="trimtab",
    help="The workbench for weak-to-strong alignment of language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
assets_app = typer.Typer(help="Pinned models and data that run without a hub.", invoke_without_command=True)
app.add_typer(assets_app, name="assets")

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Folder or URL of the store; without it, TRIMTAB_HOME/store.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a value: strong.0.model=./my-model.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes (SLURM: jobs) that run stages side by side.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder in which the run's folder is made.")]
FileArgument = Annotated[Path, typer.Argument(help="Experiment file (YAML).", show_default=False)]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"trimtab {version('trimtab')}")
        raise typer.Exit


@app.callback()
def trimtab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The workbench for weak-to-strong alignment of language models."""


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False))
