"""A folder per digest, on this machine or on a file system that several share.

store/
  store.json                       schema of the store
  <kind>/<digest>/manifest.json    a finished artifact; the manifest is written last, then the folder is renamed
  <kind>/<digest>.work/            what an unfinished stage can go on from
  <kind>/<digest>.out/             what a stage is writing now
  <kind>/<digest>.lock             held by the process that works on it
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import StoreError
from trimtab.store.disk import storage_error
from trimtab.store.interface import Store, Workspace
from trimtab.store.record import MANIFEST, SCHEMA, check_manifest, files_of, read_record, write_json

Publish = Callable[[Path, dict[str, Any]], bool]
"""What is done with a written artifact and its manifest before it counts; says whether it is to be kept."""


@dataclass(frozen=True)
class LocalStore(Store):
    """All artifacts under one folder."""

    base: Path

    @classmethod
    def at(cls, base: Path) -> LocalStore:
        """Return the store in a folder, made if absent; see `Store.open`."""
        store = cls(base.absolute())
        try:
            store.base.mkdir(parents=True, exist_ok=True)
            store._check_schema()
        except OSError as error:
            raise storage_error(error, store.base) or StoreError(
                f"the store {store.base} cannot be opened ({error.strerror}); choose another folder with --store"
            ) from None
        return store

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self.base)

    @property
    def root(self) -> Path:
        """The folder."""
        return self.base

    def folder(self, kind: str, digest: str) -> Path:
        """Return where the artifact lies or will lie."""
        return self.base / kind / digest

    def has(self, kind: str, digest: str) -> bool:
        """Say whether the artifact is finished."""
        return (self.folder(kind, digest) / MANIFEST).is_file()

    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return what is recorded about a finished artifact; see `Store.manifest`."""
        path = self.folder(kind, digest) / MANIFEST
        if not path.is_file():
            raise StoreError(f"there is no {kind} artifact {digest} in {self.base}; run the experiment that makes it")
        manifest = read_record(path, f"delete the folder {path.parent} and run the experiment again")
        return check_manifest(manifest, str(path), f"delete the folder {path.parent} and run again")

    def artifacts(self, kind: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (kind, digest) of every finished artifact."""
        kinds = [kind] if kind else sorted(path.name for path in self.base.iterdir() if path.is_dir())
        for one in kinds:
            for path in sorted((self.base / one).glob(f"*/{MANIFEST}")):
                if "." not in path.parent.name:
                    yield one, path.parent.name

    @contextmanager
    def claim(self, kind: str, digest: str, waiting: Callable[[], None]) -> Iterator[bool]:
        """Hold the artifact's lock; see `Store.claim`."""
        from filelock import FileLock, Timeout

        path = self.base / kind / f"{digest}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        except OSError as error:
            raise storage_error(error, path) or error from None
        try:
            finished = self.has(kind, digest)
            if finished:  # killed after its result had its name and before this was gone
                shutil.rmtree(self.folder(kind, digest).with_name(f"{digest}.work"), ignore_errors=True)
            yield not finished
        finally:
            lock.release()

    @contextmanager
    def write(
        self,
        kind: str,
        digest: str,
        manifest: Callable[[], dict[str, Any]],
        publish: Publish = lambda out, record: True,
    ) -> Iterator[Workspace]:
        """Give a stage its folders; on success write the manifest last and rename; see `Store.write`."""
        final = self.folder(kind, digest)
        space = Workspace(final.with_name(f"{digest}.out"), final.with_name(f"{digest}.work"))
        try:
            shutil.rmtree(space.out, ignore_errors=True)
            space.out.mkdir(parents=True)
            space.work.mkdir(exist_ok=True)
            yield space
            record = manifest() | {"schema": SCHEMA, "kind": kind, "digest": digest, "files": files_of(space.out)}
            write_json(space.out / MANIFEST, record)
            _flush(space.out)
            if publish(space.out, record):
                shutil.rmtree(final, ignore_errors=True)  # a folder without manifest is not an artifact
                space.out.rename(final)
        except Exception as error:
            # libraries report a full disk in their own ways, not only as OSError
            clear = storage_error(error, space.out)
            if clear is None:
                raise
            raise clear from error
        finally:
            shutil.rmtree(space.out, ignore_errors=True)  # gone by another name where all went well
        shutil.rmtree(space.work, ignore_errors=True)

    def _check_schema(self) -> None:
        path = self.base / "store.json"
        if not path.is_file():
            write_json(path, {"schema": SCHEMA})
            return
        read_record(path, "choose another folder with --store")


def _flush(folder: Path) -> None:
    """Ask the disk to keep the files before the rename makes them an artifact."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
