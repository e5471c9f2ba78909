"""Commands that say what there is: methods, versions and device."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.commands.app import JsonOption, app, print_json


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="Only this method, with its settings.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List methods, objectives, label steps, supervisors and schedules. With formula, paper, truth and settings."""
    from trimtab.catalogue import catalogue, catalogue_text

    entries = catalogue(name)
    print_json(entries) if as_json else print(catalogue_text(entries, detailed=name is not None))


@app.command()
def env(as_json: JsonOption = False) -> None:
    """Print versions, device and folders, for a bug report."""
    from trimtab.environment import environment

    found = environment()
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        print(f"{key:18} {value}")
