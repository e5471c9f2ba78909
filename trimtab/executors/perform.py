"""Perform one stage: the entry point that every executor shares."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.environment import package_versions
from trimtab.executors.memory import forget_peak, peak_bytes
from trimtab.executors.monitor import StageReport
from trimtab.stages.stage import Stage
from trimtab.store import Store, Workspace
from trimtab.types import Progress, silent


def perform(
    stage: Stage, store: Store, progress: Progress = silent, waiting: Callable[[], None] = lambda: None
) -> StageReport:
    """Make the stage's artifact unless it is there; its inputs must be.

    Where another process is at it, wait and use its result. Raises what the stage raises.
    """
    with store.claim(stage.kind, stage.digest, waiting) as needed:
        if needed:
            forget_peak()
            make(stage, store, lambda space: stage.run(inputs_of(stage, store), space.out, space.work, progress))
    return replace(found(stage, store), cached=not needed)


def make(stage: Stage, store: Store, run: Callable[[Workspace], dict[str, Any]], before_s: float = 0.0) -> None:
    """Write the artifact of a stage that is claimed; `before_s` is what was spent on it before, in seconds."""
    began = time.perf_counter()
    record: dict[str, Any] = {}

    def manifest() -> dict[str, Any]:
        return record | _circumstances(stage, before_s + time.perf_counter() - began)

    with store.write(stage.kind, stage.digest, manifest) as space:
        record["facts"] = run(space)
    # why an earlier try failed is of no interest any more
    store.folder(stage.kind, stage.digest).with_suffix(".log").unlink(missing_ok=True)


def inputs_of(stage: Stage, store: Store) -> dict[str, Path]:
    """Return the folders of a stage's inputs by name."""
    return {name: store.folder(one.kind, one.digest) for name, one in stage.inputs.items()}


def found(stage: Stage, store: Store) -> StageReport:
    """Report a stage whose artifact is there already."""
    manifest = store.manifest(stage.kind, stage.digest)
    return StageReport(
        stage.kind,
        stage.digest,
        stage.title,
        manifest["seconds"],
        cached=True,
        tokens=manifest["facts"].get("tokens"),
        peak_memory_bytes=manifest["machine"]["peak_memory_bytes"],
    )


def _circumstances(stage: Stage, seconds: float) -> dict[str, Any]:
    """Return what the manifest says beside what the stage itself says."""
    torch = sys.modules.get("torch")
    return {
        "title": stage.title,
        "version": stage.version,
        "settings": stage.settings,
        "inputs": {name: {"kind": one.kind, "digest": one.digest} for name, one in stage.inputs.items()},
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": package_versions(),
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "device": "cuda" if torch and torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads() if torch else None,
            "peak_memory_bytes": peak_bytes(),
        },
    }
