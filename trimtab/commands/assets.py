"""Commands on the embedded models and data."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.commands.app import JsonOption, assets_app, print_json


@assets_app.callback()
def assets(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the pinned assets. Size, licence, source, present or not."""
    if context.invoked_subcommand is None:
        from trimtab.assets import ASSETS, is_present

        rows = [
            {
                "name": asset.name,
                "present": is_present(asset.name),
                "megabytes": round(asset.download_bytes / 1e6),
                "licence": asset.licence,
                "source": asset.source,
                "optional": asset.optional,
                "description": asset.description,
            }
            for asset in ASSETS.values()
        ]
        if as_json:
            print_json(rows)
            return
        for row in rows:
            state = "present" if row["present"] else "optional" if row["optional"] else "absent"
            print(f"{row['name']:14} {state:9} {row['megabytes']:4} MB  {row['licence']:11} {row['source']}")


@assets_app.command()
def fetch(names: Annotated[list[str], typer.Argument(help="Names of assets.", metavar="NAME...")]) -> None:
    """Download, check and convert assets."""
    from trimtab.demo import fetch_named

    for path in fetch_named(names):
        print(path)


@assets_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of assets; without any, all that are present.")
    ] = None,
) -> None:
    """Compare assets with the hashes recorded when fetched. Exit 1 on damage."""
    from trimtab.assets import ASSETS, is_present
    from trimtab.assets import verify as verify_asset

    problems = 0
    for name in names or [name for name in ASSETS if is_present(name)]:
        found = verify_asset(name)
        problems += len(found)
        print(f"{name}: {'intact' if not found else 'damaged'}")
        for problem in found:
            print(f"  {problem}")
    if problems:
        raise typer.Exit(1)
