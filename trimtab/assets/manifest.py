"""The list of an asset's files with their sha256, written last: nothing else is believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.assets.table import Asset
from trimtab.types import Progress, silent

MANIFEST = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class Problem:
    """One file that is not what was fetched."""

    file: Path
    found: str
    wanted: str
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        """Return the problem as one sentence for the user."""
        return f"{self.file}: found {self.found}, wanted {self.wanted}. {self.remedy}"


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_manifest(folder: Path, asset: Asset, fingerprint: str) -> None:
    """Hash every file under `folder` and write the manifest, by which the folder becomes an asset."""
    files = {
        file.relative_to(folder).as_posix(): {"sha256": sha256_of(file), "bytes": file.stat().st_size}
        for file in _files(folder)
    }
    packages = [vars(package) for package in asset.packages]
    manifest = {
        "schema": SCHEMA,
        "asset": asset.name,
        "fingerprint": fingerprint,
        "licence": asset.licence,
        "source": asset.source,
        "packages": packages,
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of `folder`, or none where there is none that can be read as one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # absent, or cut short and so not believed
        return None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        return None
    return manifest if isinstance(manifest.get("files"), dict) else None


def is_whole(folder: Path) -> bool:
    """Return whether every file of the manifest is there with its size; `problems_in` checks the bytes."""
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == entry["bytes"]
        for name, entry in manifest["files"].items()
    )


def problems_in(folder: Path, remedy: str, progress: Progress = silent) -> list[Problem]:
    """Return each file of `folder` that is missing, altered or not in its manifest; progress counts bytes."""
    manifest = read_manifest(folder)
    if manifest is None:
        return [Problem(folder / MANIFEST, "no readable manifest", f"schema {SCHEMA}", remedy)]
    files: dict[str, dict[str, Any]] = manifest["files"]
    total = sum(entry["bytes"] for entry in files.values())
    problems, done = [], 0
    for name, entry in files.items():
        problem = _problem(folder / name, entry, remedy)
        problems += [problem] if problem else []
        done += entry["bytes"]
        progress(done, total)
    known = {folder / name for name in files} | {folder / MANIFEST}
    strangers = sorted(set(_files(folder)) - known)
    problems += [Problem(file, "a file that was never fetched", "no such file", remedy) for file in strangers]
    return problems


def _problem(file: Path, entry: dict[str, Any], remedy: str) -> Problem | None:
    wanted = f"sha256 {entry['sha256']}"
    if not file.is_file():
        return Problem(file, "no such file", wanted, remedy)
    found = sha256_of(file)
    return None if found == entry["sha256"] else Problem(file, f"sha256 {found}", wanted, remedy)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if not file.is_dir())
