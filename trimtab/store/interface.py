"""What every store does, wherever it keeps the artifacts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.home import home


@dataclass(frozen=True)
class Workspace:
    """Where one stage writes: `out` becomes the artifact, `work` outlives a kill."""

    out: Path
    work: Path


class Store(ABC):
    """All artifacts of one place."""

    @staticmethod
    def open(place: Path | str | None = None) -> Store:
        """Return the store in a folder or at a URL (default: a folder under `TRIMTAB_HOME`), made if absent.

        Raises StoreError where a newer version wrote it, or it cannot be made or reached; UsageError where nothing
        that is installed reads the URL.
        """
        if isinstance(place, str) and "://" in place:
            from trimtab.store.remote import RemoteStore

            return RemoteStore.at(place)
        from trimtab.store.local import LocalStore

        return LocalStore.at(Path(place) if place else home() / "store")

    @property
    @abstractmethod
    def place(self) -> str:
        """What `open` takes to open this store again, also on another machine."""

    @property
    @abstractmethod
    def root(self) -> Path:
        """The folder on this machine where artifacts lie, or where copies of them do."""

    @abstractmethod
    def folder(self, kind: str, digest: str) -> Path:
        """Return where the artifact's files can be read, or will be; they are fetched if they are not here."""

    @abstractmethod
    def has(self, kind: str, digest: str) -> bool:
        """Say whether the artifact is finished."""

    @abstractmethod
    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return what is recorded about a finished artifact.

        Raises StoreError where it is absent, damaged or written by a newer version.
        """

    @abstractmethod
    def artifacts(self, kind: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (kind, digest) of every finished artifact."""

    @abstractmethod
    def claim(self, kind: str, digest: str, waiting: Callable[[], None]) -> AbstractContextManager[bool]:
        """Hold the artifact's lock; the value says whether the artifact still has to be made.

        `waiting` is called once if another process holds the lock. A killed process lets go by dying.
        """

    @abstractmethod
    def write(
        self, kind: str, digest: str, manifest: Callable[[], dict[str, Any]]
    ) -> AbstractContextManager[Workspace]:
        """Give a stage its folders; on success they become the artifact at once; call under `claim`.

        Raises StoreError where the disk is full or read-only; what else the stage raises is passed on.
        """

    def find(self, prefix: str) -> list[tuple[str, str]]:
        """Return the finished artifacts whose digest begins with `prefix`."""
        return [(kind, digest) for kind, digest in self.artifacts() if digest.startswith(prefix)]
