"""Perform one stage: the entry point that every executor shares."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from trimtab.executors.monitor import StageReport
from trimtab.stages.stage import Stage
from trimtab.store import Store
from trimtab.types import Progress, silent

RECORDED_PACKAGES = ("trimtab", "torch", "transformers", "peft", "numpy", "scipy", "pyarrow", "safetensors")


def perform(
    stage: Stage, store: Store, progress: Progress = silent, waiting: Callable[[], None] = lambda: None
) -> StageReport:
    """Make the stage's artifact unless it is there; its inputs must be.

    Where another process is at it, wait and use its result. Raises what the stage raises.
    """
    with store.claim(stage.kind, stage.digest, waiting) as needed:
        if not needed:
            return found(stage, store)
        began = time.perf_counter()
        folders = {name: store.folder(one.kind, one.digest) for name, one in stage.inputs.items()}
        facts: dict[str, Any] = {}

        def manifest() -> dict[str, Any]:
            return _record(stage, facts, time.perf_counter() - began)

        with store.write(stage.kind, stage.digest, manifest) as space:
            facts |= stage.run(folders, space.out, space.work, progress)
        return StageReport(stage.kind, stage.digest, stage.title, time.perf_counter() - began, cached=False)


def found(stage: Stage, store: Store) -> StageReport:
    """Report a stage whose artifact is there already."""
    seconds = store.manifest(stage.kind, stage.digest)["seconds"]
    return StageReport(stage.kind, stage.digest, stage.title, seconds, cached=True)


def packages() -> dict[str, str]:
    """Return the installed versions of the packages that decide numbers."""
    return {name: version(name) for name in RECORDED_PACKAGES}


def _record(stage: Stage, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    torch = sys.modules.get("torch")
    return {
        "title": stage.title,
        "version": stage.version,
        "settings": stage.settings,
        "inputs": {name: {"kind": one.kind, "digest": one.digest} for name, one in stage.inputs.items()},
        "facts": facts,
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": packages(),
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "device": "cuda" if torch and torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads() if torch else None,
            # ru_maxrss counts kilobytes on Linux and bytes on macOS
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            * (1 if sys.platform == "darwin" else 1024),
        },
    }
