"""Where an asset lies, whether it is there, and what it is called in digests: no network, nothing written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from trimtab.assets.manifest import MANIFEST, Problem, is_whole, problems_in
from trimtab.assets.table import ASSETS, Asset
from trimtab.errors import AssetError, UsageError, did_you_mean
from trimtab.home import home
from trimtab.types import Progress, silent


def find(name: str) -> Asset:
    """Return the asset called `name`.

    Raises UsageError where there is none.
    """
    if name not in ASSETS:
        raise UsageError(f'there is no asset "{name}".{did_you_mean(name, ASSETS)}')
    return ASSETS[name]


def fingerprint(name: str) -> str:
    """Return the sha256 over the pins of an asset and how it is made; known without having the asset."""
    asset = find(name)
    made_from = {
        "packages": [vars(package) for package in asset.packages],
        "files": dict(asset.files),
        "inner": asset.inner,
        "notices": dict(asset.notices),
        "gguf": asset.gguf,
        "conversion": asset.conversion,
    }
    canonical = json.dumps(made_from, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def folder_of(name: str) -> Path:
    """Return where the asset lies once it is fetched."""
    return home() / "assets" / f"{name}-{fingerprint(name)[:16]}"


def is_present(name: str) -> bool:
    """Return whether the asset is fetched and complete (names and sizes; `verify` checks the bytes)."""
    return is_whole(folder_of(name))


def path(name: str) -> Path:
    """Return the folder of an asset.

    Raises AssetError where it is absent or incomplete.
    """
    folder = folder_of(name)
    if is_whole(folder):
        return folder
    state = "incomplete" if folder.exists() else "not fetched yet"
    raise AssetError(f'asset "{name}" is {state} (looked in {folder}): run `trimtab assets fetch {name}`')


def verify(name: str, progress: Progress = silent) -> list[Problem]:
    """Hash every file of a fetched asset again and return what is wrong with it; progress counts bytes.

    Raises AssetError where the asset was never fetched.
    """
    folder = folder_of(name)
    if not (folder / MANIFEST).exists():
        path(name)
    return problems_in(folder, f"Run `trimtab assets fetch {name}` to replace it.", progress)
