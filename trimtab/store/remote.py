"""An object store behind any fsspec URL (s3://bucket/prefix, gs://...): no lock and no rename there.

<url>/
  store.json                 schema of the store
  <kind>/<digest>.json       manifest of a finished artifact; put last, and only where there is none
  <kind>/<digest>/<sha256>   a file of the artifact, named by its content, so that nobody overwrites anybody's

Of two machines that make the same artifact, the one whose manifest comes second takes the other's. Everything is
written and read through a folder on this machine, laid out like a local store, which also holds the locks of this
machine's processes and what an unfinished stage can go on from (`.work`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from trimtab.digest import digest_of, file_digest
from trimtab.errors import StoreError, UsageError
from trimtab.home import home
from trimtab.store.disk import storage_error
from trimtab.store.interface import Store, Workspace
from trimtab.store.local import LocalStore
from trimtab.store.record import MANIFEST, SCHEMA, check_manifest, json_text, read_record, record_in, write_json

_OPTIONS: dict[str, dict[str, Any]] = {
    "file": {"auto_mkdir": True},
    # an endpoint that does not answer is known in seconds, not in minutes
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 2}}},
}
"""What a file system is told beyond its defaults, by the URL's scheme; keys and endpoints come from the environment."""


class RemoteStore(Store):
    """All artifacts below one URL, with copies of those that were read or made here."""

    def __init__(self, url: str, files: Any, base: str, cache: LocalStore) -> None:
        """Take the file system, the path of the URL on it, and the folder for copies."""
        self._url, self._files, self._base, self._cache = url, files, base, cache
        self._known: set[tuple[str, str]] = set()
        self._listed: set[str] = set()

    @classmethod
    def at(cls, url: str) -> RemoteStore:
        """Return the store at a URL, made if absent; see `Store.open`."""
        from fsspec.core import url_to_fs

        url = url.rstrip("/")
        options = _OPTIONS.get(url.partition("://")[0], {})
        try:
            # others write there too: what was listed once may be old
            files, base = url_to_fs(url, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise UsageError(f"the store {url} cannot be read ({error}); s3:// needs: pip install s3fs") from None
        cache = LocalStore.at(home() / "copies" / digest_of(url)[:16])
        store = cls(url, files, base, cache)
        try:
            store._check_schema()
        except StoreError:
            raise
        except Exception as error:  # every file system and its network library raise their own kinds
            reason = (str(error).splitlines() or [""])[0]
            raise StoreError(
                f"the store {url} cannot be opened ({type(error).__name__}: {reason}); look at the address, the bucket "
                "and the credentials"
            ) from error
        return store

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    @property
    def root(self) -> Path:
        """The folder with the copies."""
        return self._cache.root

    def folder(self, kind: str, digest: str) -> Path:
        """Return where the artifact's files lie on this machine; they are fetched and checked if they are not here."""
        if not self._cache.has(kind, digest) and self.has(kind, digest):
            self._fetch(kind, digest)
        return self._cache.folder(kind, digest)

    def has(self, kind: str, digest: str) -> bool:
        """Say whether the artifact is finished; those that are there at first are learned in one listing."""
        if kind not in self._listed:
            self._known.update(self.artifacts(kind))
            self._listed.add(kind)
        return (kind, digest) in self._known or self._is_there(kind, digest)

    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return what is recorded about a finished artifact; see `Store.manifest`."""
        if self._cache.has(kind, digest):
            return self._cache.manifest(kind, digest)
        copy = self.root / kind / f"{digest}.json"  # estimates read them all, in every run
        if copy.is_file():
            return read_record(copy, f"delete {copy}")
        manifest = self._read_manifest(kind, digest)
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_json(copy, manifest)
        return manifest

    def artifacts(self, kind: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (kind, digest) of every finished artifact."""
        kinds = [kind] if kind else [PurePosixPath(path).name for path in self._names(self._base)]
        for one in kinds:
            if one.endswith(".json"):
                continue
            for path in self._names(f"{self._base}/{one}"):
                if path.endswith(".json"):
                    yield one, PurePosixPath(path).stem

    @contextmanager
    def claim(self, kind: str, digest: str, waiting: Callable[[], None]) -> Iterator[bool]:
        """Hold the artifact's lock against this machine's other processes; other machines are met when it is put."""
        with self._cache.claim(kind, digest, waiting):
            yield not self._is_there(kind, digest)

    @contextmanager
    def write(self, kind: str, digest: str, manifest: Callable[[], dict[str, Any]]) -> Iterator[Workspace]:
        """Give a stage its folders on this machine; on success put its files, then the manifest; see `Store.write`."""
        with self._cache.write(kind, digest, manifest, self._publish) as space:
            yield space

    def _publish(self, out: Path, record: dict[str, Any]) -> bool:
        """Put an artifact; say whether it is this one that counts."""
        kind, digest = record["kind"], record["digest"]
        for name, facts in record["files"].items():
            target = f"{self._base}/{kind}/{digest}/{facts['sha256']}"
            if not self._files.exists(target):
                self._put_file(out / name, target)
        try:
            self._put_new(self._manifest_path(kind, digest), record)
        except FileExistsError:
            return False  # another machine was faster: its artifact is fetched when it is read
        self._known.add((kind, digest))
        return True

    def _put_file(self, source: Path, target: str) -> None:
        """Put a file, named by its content; nobody ever reads half of it."""
        if not _is_on_disk(self._files):
            self._files.put_file(str(source), target)  # an object appears whole
            return
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
        try:
            shutil.copyfile(source, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _fetch(self, kind: str, digest: str) -> None:
        """Copy an artifact to this machine, whole or not at all."""
        manifest = self._read_manifest(kind, digest)
        final = self._cache.folder(kind, digest)
        part = final.with_name(f"{digest}.fetch-{uuid4().hex}")
        try:
            part.mkdir(parents=True)
            for name, facts in manifest["files"].items():
                self._fetch_file(f"{self._base}/{kind}/{digest}/{facts['sha256']}", part, name, facts["sha256"])
            write_json(part / MANIFEST, manifest)
            try:
                part.rename(final)
            except OSError:
                if not self._cache.has(kind, digest):  # else another process has just copied the same
                    raise
        except OSError as error:
            raise storage_error(error, part) or error from None
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _fetch_file(self, source: str, folder: Path, name: str, sha256: str) -> None:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise StoreError(f"the manifest of {source} names the file {name!r}, outside of its folder; delete it")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._files.get_file(source, str(path))
        except FileNotFoundError:
            raise StoreError(f"{source} ({name}) is missing; delete the artifact's manifest and run again") from None
        if file_digest(path) != sha256:
            raise StoreError(f"{source} ({name}) is damaged; delete it and the artifact's manifest, and run again")

    def _read_manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return an artifact's manifest as it is there now."""
        path = self._manifest_path(kind, digest)
        try:
            content = self._files.cat_file(path)
        except FileNotFoundError:
            raise StoreError(
                f"there is no {kind} artifact {digest} in {self._url}; run the experiment that makes it"
            ) from None
        remedy = f"delete {self._url}/{kind}/{digest}.json and run again"
        return check_manifest(record_in(content, path, remedy), path, remedy)

    def _is_there(self, kind: str, digest: str) -> bool:
        found = self._files.exists(self._manifest_path(kind, digest))
        if found:
            self._known.add((kind, digest))
        return found

    def _manifest_path(self, kind: str, digest: str) -> str:
        return f"{self._base}/{kind}/{digest}.json"

    def _names(self, path: str) -> list[str]:
        try:
            return sorted(self._files.ls(path, detail=False))
        except FileNotFoundError:
            return []

    def _put_new(self, path: str, value: Any) -> None:
        """Write JSON where nothing is yet; nobody ever reads half of it.

        Raises FileExistsError where something is.
        """
        content = json_text(value).encode()
        if _is_on_disk(self._files):
            _link_new(Path(path), content)
        else:
            self._files.pipe_file(path, content, mode="create")  # an object appears whole

    def _check_schema(self) -> None:
        path = f"{self._base}/store.json"
        try:
            content = self._files.cat_file(path)
        except FileNotFoundError:
            self._create(path)
            return
        record_in(content, path, "choose another URL with --store")

    def _create(self, path: str) -> None:
        """Write the schema, twice: a file system that lets the second pass would let artifacts be overwritten."""
        try:
            self._put_new(path, {"schema": SCHEMA})
        except FileExistsError:
            return  # another machine was faster
        try:
            self._put_new(path, {"schema": SCHEMA})
        except FileExistsError:
            return
        raise StoreError(
            f"{self._url} overwrites what is there although it was asked not to, so two machines could spoil each "
            "other's artifacts; use a store with conditional writes (S3, Google Cloud Storage) or a shared folder"
        )


def _is_on_disk(files: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


def _link_new(path: Path, content: bytes) -> None:
    """Give a file that is written whole its name, which the file system refuses where the name is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
