"""Remove what killed and failed stages left behind; artifacts and what somebody works on stay."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from trimtab.store.local import LocalStore

_LEFT = re.compile(r"([0-9a-f]{64})\.(out|work|log)")
_HALF_WRITTEN = re.compile(r"\..+\.json\.[0-9]+")
_HOUR_S = 3600.0


def prune(store: LocalStore, *, unfinished: bool = False) -> Iterator[Path]:
    """Yield each path that was removed: half-written files, and what finished stages no longer need.

    With `unfinished`, also what unfinished stages could go on from, and the logs of those that failed.
    """
    for path in store.base.iterdir():
        if _HALF_WRITTEN.fullmatch(path.name) and time.time() - path.stat().st_mtime > _HOUR_S:
            yield from _removed(path)
    for kind in sorted(path for path in store.base.iterdir() if path.is_dir()):
        for digest in sorted({found[1] for path in kind.iterdir() if (found := _LEFT.fullmatch(path.name))}):
            yield from _prune_stage(store, kind, digest, unfinished)


def _prune_stage(store: LocalStore, kind: Path, digest: str, unfinished: bool) -> Iterator[Path]:
    from filelock import FileLock, Timeout

    lock = FileLock(kind / f"{digest}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return  # somebody is at it
    try:
        needless = unfinished or store.has(kind.name, digest)
        for ending in ("out", "work", "log") if needless else ("out",):
            yield from _removed(kind / f"{digest}.{ending}")
    finally:
        lock.release()


def _removed(path: Path) -> Iterator[Path]:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    else:
        return
    yield path
