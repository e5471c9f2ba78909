"""Fetch an asset: download, check, unpack, convert in a folder with a temporary name; rename at the end."""

from __future__ import annotations

import errno
import secrets
import shutil
import time
from pathlib import Path

from filelock import FileLock

from trimtab.assets import build
from trimtab.assets.manifest import problems_in, write_manifest
from trimtab.assets.presence import find, fingerprint, folder_of
from trimtab.assets.table import Asset
from trimtab.errors import AssetError
from trimtab.types import Progress, silent

_SWEEPS, _SWEEP_S = 20, 0.1


def fetch(name: str, progress: Progress = silent) -> Path:
    """Make sure that an asset is here, every byte as it was, and return its folder; progress counts bytes.

    One that is present is hashed, not downloaded; one that is damaged is replaced. Two processes at once: one
    fetches, the other waits and uses it.

    Raises AssetError where the download fails or is not the pinned one, or the disk is full or not writable.
    """
    asset, folder = find(name), folder_of(name)
    if _is_sound(folder):  # before the lock, so that a read-only home with the asset in it works
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent, name):
            if not _is_sound(folder):
                _fetch_locked(asset, folder, progress)
    except OSError as error:
        raise _disk_error(error, asset, folder.parent) from error
    return folder


def remove(name: str) -> bool:
    """Delete an asset and return whether there was anything to delete."""
    find(name)
    folder = folder_of(name)
    if not folder.exists():
        return False
    with _lock(folder.parent, name):
        _sweep(folder.parent, name)
        if folder.exists():
            shutil.rmtree(folder.rename(_temporary(folder.parent, name)))
    return True


def _fetch_locked(asset: Asset, folder: Path, progress: Progress) -> None:
    root = folder.parent
    _sweep(root, asset.name)
    _require_space(asset, root)
    attempt = _temporary(root, asset.name)
    attempt.mkdir()
    try:
        made = build.build(asset, attempt, progress)
        write_manifest(made, asset, fingerprint(asset.name))
        if folder.exists():  # damaged: out of the way first, a folder cannot be renamed onto another
            folder.rename(attempt / "damaged")
        made.rename(folder)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)  # what cannot be deleted now, the next fetch sweeps


def _is_sound(folder: Path) -> bool:
    return folder.is_dir() and not problems_in(folder, remedy="")


def _lock(root: Path, name: str) -> FileLock:
    return FileLock(root / f"{name}.lock")


def _temporary(root: Path, name: str) -> Path:
    return root / f".{name}+{secrets.token_hex(4)}"


def _sweep(root: Path, name: str) -> None:
    """Delete what dead attempts left; only ever called under the lock, so none of them is alive.

    The programs they started die with them, but not in the same instant: one may add a file to a folder while
    it is being deleted, so deleting is tried again for a moment.
    """
    for dead in root.glob(f".{name}+*"):
        for _ in range(_SWEEPS):
            shutil.rmtree(dead, ignore_errors=True)
            if not dead.exists():
                break
            time.sleep(_SWEEP_S)


def _require_space(asset: Asset, root: Path) -> None:
    if shutil.disk_usage(root).free < _needed_bytes(asset):
        raise OSError(errno.ENOSPC, "too little space to begin")


def _needed_bytes(asset: Asset) -> int:
    """Return the most bytes that lie on disk at once: pip holds an archive twice, then it is unpacked."""
    return 2 * asset.download_bytes + asset.unpacked_bytes


def _disk_error(error: OSError, asset: Asset, root: Path) -> AssetError:
    if error.errno != errno.ENOSPC:
        return AssetError(
            f'asset "{asset.name}" cannot be written under {root}: {error}. Make the folder writable or set '
            f"TRIMTAB_HOME"
        )
    free = shutil.disk_usage(root).free
    return AssetError(
        f'no space for asset "{asset.name}" under {root}: fetching needs {_needed_bytes(asset):,} bytes, '
        f"{free:,} are free. Free some or set TRIMTAB_HOME to a larger disk, then fetch again"
    )
