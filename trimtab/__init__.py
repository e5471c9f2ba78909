"""Trimtab: the workbench for weak-to-strong alignment of language models.

import trimtab as tt
results = tt.run(tt.load("experiment.yaml"))
print(results.table())
results.report("out.html")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from trimtab import decode
    from trimtab.experiment import Experiment, load, parse
    from trimtab.results import Results
    from trimtab.store import Store
    from trimtab.study import run

_HOMES = {
    "Experiment": "trimtab.experiment",
    "load": "trimtab.experiment",
    "parse": "trimtab.experiment",
    "Results": "trimtab.results",
    "Store": "trimtab.store",
    "run": "trimtab.study",
}

__all__ = ["Experiment", "Results", "Store", "decode", "load", "parse", "run"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import trimtab` costs nothing."""
    if name == "decode":
        return import_module("trimtab.decode")
    if name not in _HOMES:
        raise AttributeError(f"module 'trimtab' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that were not used yet."""
    return __all__
