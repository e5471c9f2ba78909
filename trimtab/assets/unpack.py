"""Take named members out of a zip or tar archive; refuse one with a member that could land elsewhere."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from trimtab.errors import AssetError


def unpack(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    """Copy members of `archive` into `folder`; `files` maps each new file to the member it comes from.

    Raises AssetError where any member (wanted or not) is absolute, leads out with "..", or is a link or a
    device, where a wanted member is absent, and where the archive is damaged.
    """
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, files, folder)
        else:
            _unpack_tar(archive, files, folder)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise AssetError(f"{archive.name} is not a whole zip or tar archive: {error}. Fetch again") from error


def _unpack_zip(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = {info.filename: info for info in opened.infolist()}
        for info in members.values():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):  # 0: the archiver recorded no kind
                raise _refused(archive, info.filename, "is a link or a device")
            _refuse_escape(archive, info.orig_filename)
            _refuse_escape(archive, info.filename)
        for target, member in files.items():
            if member not in members:
                raise _absent(archive, member)
            with opened.open(members[member]) as source:
                _write(source, folder / target)


def _unpack_tar(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    with tarfile.open(archive) as opened:
        members = {member.name: member for member in opened.getmembers()}
        for member in opened.getmembers():
            if not (member.isfile() or member.isdir()):
                raise _refused(archive, member.name, "is a link or a device")
            _refuse_escape(archive, member.name)
            try:
                tarfile.data_filter(member, str(folder))
            except tarfile.FilterError as error:
                raise _refused(archive, member.name, str(error)) from error
        for target, name in files.items():
            source = opened.extractfile(members[name]) if name in members else None
            if source is None:
                raise _absent(archive, name)
            with source:
                _write(source, folder / target)


def _refuse_escape(archive: Path, name: str) -> None:
    """Refuse a member name that leaves the folder under POSIX or Windows rules."""
    windows = PureWindowsPath(name)
    outside = PurePosixPath(name).is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if outside or "\0" in name or not name:
        raise _refused(archive, name, "leads out of the folder")


def _write(source: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        shutil.copyfileobj(source, stream, length=1 << 20)


def _refused(archive: Path, member: str, why: str) -> AssetError:
    return AssetError(
        f"{archive.name} was refused: its member {member!r} {why}; wanted plain files inside the folder. "
        f"Do not use this archive"
    )


def _absent(archive: Path, member: str) -> AssetError:
    return AssetError(f"{archive.name} has no file {member!r}: the asset's entry does not fit its package")
