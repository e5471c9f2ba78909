"""The commands: one short function each, calling one library function. Data goes to stdout, all else to stderr.

app.py       the application and the options that several commands share
study.py     demo, run, plan
generate.py  generate
results.py   compare, rank, report, export
store.py     ls, show, prune
about.py     methods, env
assets.py    assets, assets fetch, assets verify

Help lists the commands in the order in which they are imported here.
"""

from __future__ import annotations

from trimtab.commands import study, generate, results, store, about, assets  # isort: skip
from trimtab.commands.app import app

__all__ = ["about", "app", "assets", "generate", "results", "store", "study"]
