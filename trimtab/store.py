"""A folder per digest. Nothing else knows how results lie on disk.

store/
  store.json                       schema of the store
  <kind>/<digest>/manifest.json    a finished artifact; the manifest is written last, then the folder is renamed
  <kind>/<digest>.work/            what an unfinished stage can go on from
  <kind>/<digest>.out/             what a stage is writing now
  <kind>/<digest>.lock             held by the process that works on it
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.digest import file_digest
from trimtab.errors import StoreError
from trimtab.home import home

SCHEMA = 1
RECORDED = ("kind", "digest", "title", "settings", "inputs", "facts", "seconds", "finished", "machine", "files")
"""What every manifest says, among more."""
_LEAST_FREE_BYTES = 1 << 20


@dataclass(frozen=True)
class Workspace:
    """Where one stage writes: `out` becomes the artifact, `work` outlives a kill."""

    out: Path
    work: Path


@dataclass(frozen=True)
class Store:
    """All artifacts under one folder."""

    root: Path

    @classmethod
    def open(cls, root: Path | None = None) -> Store:
        """Return the store at `root` (default: under `TRIMTAB_HOME`), made if absent.

        Raises StoreError where a newer version wrote it or the folder cannot be made.
        """
        store = cls((root or home() / "store").absolute())
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            store._check_schema()
        except OSError as error:
            raise _storage_error(error, store.root) or StoreError(
                f"the store {store.root} cannot be opened ({error.strerror}); choose another folder with --store"
            ) from None
        return store

    def folder(self, kind: str, digest: str) -> Path:
        """Return where the artifact lies or will lie."""
        return self.root / kind / digest

    def has(self, kind: str, digest: str) -> bool:
        """Say whether the artifact is finished."""
        return (self.folder(kind, digest) / "manifest.json").is_file()

    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return what is recorded about a finished artifact.

        Raises StoreError where it is absent, damaged or written by a newer version.
        """
        path = self.folder(kind, digest) / "manifest.json"
        if not path.is_file():
            raise StoreError(f"there is no {kind} artifact {digest} in {self.root}; run the experiment that makes it")
        manifest = _read_record(path, f"delete the folder {path.parent} and run the experiment again")
        missing = [name for name in RECORDED if name not in manifest]
        if missing:
            raise StoreError(f"{path} does not say {missing[0]!r}; delete the folder {path.parent} and run again")
        return manifest

    def artifacts(self, kind: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (kind, digest) of every finished artifact."""
        kinds = [kind] if kind else sorted(path.name for path in self.root.iterdir() if path.is_dir())
        for one in kinds:
            for path in sorted((self.root / one).glob("*/manifest.json")):
                if "." not in path.parent.name:
                    yield one, path.parent.name

    def find(self, prefix: str) -> list[tuple[str, str]]:
        """Return the finished artifacts whose digest begins with `prefix`."""
        return [(kind, digest) for kind, digest in self.artifacts() if digest.startswith(prefix)]

    @contextmanager
    def claim(self, kind: str, digest: str, waiting: Callable[[], None]) -> Iterator[bool]:
        """Hold the artifact's lock; yield whether the artifact still has to be made.

        `waiting` is called once if another process holds the lock. A killed process lets go by dying.
        """
        from filelock import FileLock, Timeout

        path = self.root / kind / f"{digest}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        except OSError as error:
            raise _storage_error(error, path) or error from None
        try:
            yield not self.has(kind, digest)
        finally:
            lock.release()

    @contextmanager
    def write(self, kind: str, digest: str, manifest: Callable[[], dict[str, Any]]) -> Iterator[Workspace]:
        """Give a stage its folders; on success write the manifest last and rename; call under `claim`.

        Raises StoreError where the disk is full or read-only; what else the stage raises is passed on.
        """
        final = self.folder(kind, digest)
        space = Workspace(final.with_name(f"{digest}.out"), final.with_name(f"{digest}.work"))
        try:
            shutil.rmtree(space.out, ignore_errors=True)
            space.out.mkdir(parents=True)
            space.work.mkdir(exist_ok=True)
            yield space
            record = manifest() | {"schema": SCHEMA, "kind": kind, "digest": digest, "files": _files(space.out)}
            write_json(space.out / "manifest.json", record)
            _flush(space.out)
            shutil.rmtree(final, ignore_errors=True)  # a folder without manifest is not an artifact
            space.out.rename(final)
        except Exception as error:
            # libraries report a full disk in their own ways, not only as OSError
            clear = _storage_error(error, space.out)
            if clear is None:
                raise
            raise clear from error
        finally:
            shutil.rmtree(space.out, ignore_errors=True)  # gone by another name where all went well
        shutil.rmtree(space.work, ignore_errors=True)

    def _check_schema(self) -> None:
        path = self.root / "store.json"
        if not path.is_file():
            write_json(path, {"schema": SCHEMA})
            return
        _read_record(path, "choose another folder with --store")


def write_json(path: Path, value: Any) -> None:
    """Write JSON to `path` so that a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(value, handle, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what the stage that made an artifact said about it."""
    return _read_record(folder / "manifest.json", f"delete the folder {folder} and run again")["facts"]


def _read_record(path: Path, remedy: str) -> dict[str, Any]:
    """Return the content of a manifest or of store.json."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise StoreError(f"{path} is damaged: it is not JSON in UTF-8; {remedy}") from None
    schema = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(schema, int):
        raise StoreError(f"{path} is damaged: it has no schema number; {remedy}")
    if schema > SCHEMA:
        raise StoreError(f"{path} has schema {schema}, this version reads up to {SCHEMA}; upgrade trimtab or {remedy}")
    return record


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        str(path.relative_to(folder)): {"sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _flush(folder: Path) -> None:
    """Ask the disk to keep the files before the rename makes them an artifact."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _storage_error(error: Exception, path: Path) -> StoreError | None:
    """Return a clear error where the disk is full or read-only; none for anything else."""
    if _disk_is_full(error, path):
        free = _free_bytes(path)
        return StoreError(
            f"the disk is full: {path} could not be written with {free / 1e6:.1f} MB free. Finished stages are kept; "
            "make room, or choose another disk with --store or TRIMTAB_HOME, and run again"
        )
    if not isinstance(error, OSError) or error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
        return None
    # a stage may also be refused a file that is no matter of the store, such as the user's own data
    if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(path.parent):
        return None
    return StoreError(f"{path} cannot be written ({error.strerror}); choose another folder with --store")


def _disk_is_full(error: Exception, path: Path) -> bool:
    """Say whether an error, or what led to it, is a full disk: by its number, by the text of safetensors and pyarrow,
    which carry none, or by the state of the disk where torch says only that writing failed.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(f"{word} {errno.ENOSPC}" in str(seen) for word in ("os error", "errno")):
            return True
        if isinstance(seen, RuntimeError) and "PytorchStreamWriter" in str(seen):
            return _free_bytes(path) < _LEAST_FREE_BYTES
        seen = seen.__cause__ or seen.__context__
    return False


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(next(one for one in path.parents if one.exists())).free
