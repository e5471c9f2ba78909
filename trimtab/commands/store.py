"""Commands on the store."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from trimtab.commands.app import JsonOption, StoreOption, app, print_json


@app.command()
def ls(
    kind: Annotated[str | None, typer.Argument(help="Only artifacts of this kind.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the store's artifacts."""
    from trimtab.store import Store

    opened = Store.open(store)
    manifests = [opened.manifest(one, digest) for one, digest in opened.artifacts(kind)]
    rows = [{key: one[key] for key in ("kind", "digest", "title", "seconds", "finished")} for one in manifests]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['kind']:8} {row['digest'][:16]}  {row['seconds']:9.1f} s  {row['finished']}  {row['title']}")
    print(f"{len(rows)} artifacts in {opened.root}", file=sys.stderr)


@app.command()
def show(identifier: Annotated[str, typer.Argument(metavar="ID")], store: StoreOption = None) -> None:
    """Print the manifest of one artifact. Its digest begins with ID."""
    from trimtab.errors import UsageError
    from trimtab.store import Store

    opened = Store.open(store)
    found = opened.find(identifier)
    if len(found) != 1:
        what = "no artifact's digest begins" if not found else f"{len(found)} artifacts' digests begin"
        raise UsageError(f'{what} with "{identifier}"; see `trimtab ls` and give more digits')
    print_json(opened.manifest(*found[0]))


@app.command()
def prune(
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also what unfinished stages could go on from.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Remove what killed and failed stages left. Finished artifacts stay."""
    from trimtab.errors import UsageError
    from trimtab.store import Store
    from trimtab.store.local import LocalStore
    from trimtab.store.prune import prune as prune_store

    opened = Store.open(store)
    if not isinstance(opened, LocalStore):
        raise UsageError(f"{opened.place} is an object store: nothing unfinished lies there; wanted a folder")
    removed = list(prune_store(opened, unfinished=unfinished))
    for path in removed:
        print(path)
    print(f"{len(removed)} leftovers removed from {opened.place}", file=sys.stderr)
