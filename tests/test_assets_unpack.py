"""Archives: what is wanted comes out, and nothing that could land elsewhere is opened."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from assets_fakes import tar_bytes, zip_bytes

from trimtab.assets.unpack import unpack
from trimtab.errors import AssetError

ESCAPES = ["/etc/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil", "C:evil", "\\\\host\\share\\evil"]
WANTED = {"out/a.txt": "good/a.txt"}


def _unpack(tmp_path: Path, content: bytes) -> Path:
    archive, folder = tmp_path / "archive", tmp_path / "folder"
    archive.write_bytes(content)
    folder.mkdir()
    unpack(archive, WANTED, folder)
    return folder


def _refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(AssetError, match=why):
        _unpack(tmp_path, content)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "folder"]  # nothing was written


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_only_the_wanted_member_comes_out(tmp_path: Path, pack) -> None:
    folder = _unpack(tmp_path, pack({"good/a.txt": b"text", "good/b.txt": b"other"}))
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files == [folder / "out/a.txt"]
    assert files[0].read_bytes() == b"text"


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_a_member_that_leads_out_refuses_the_archive(tmp_path: Path, pack, name: str) -> None:
    _refused(tmp_path, pack({"good/a.txt": b"text", name: b"evil"}), "was refused: its member .* leads out")


def test_a_zip_name_cut_by_a_nul_is_refused(tmp_path: Path) -> None:
    content = zip_bytes({"good/a.txt": b"text", "good/evilX.txt": b""}).replace(b"evilX", b"evil\0")
    _refused(tmp_path, content, "leads out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_tar_with_a_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("good/a.txt"))
        special = tarfile.TarInfo("good/special")
        special.type, special.linkname = kind, "good/a.txt"
        archive.addfile(special)
    _refused(tmp_path, stream.getvalue(), "is a link or a device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("good/a.txt", "text")
        special = zipfile.ZipInfo("good/special")
        special.external_attr = (kind | 0o644) << 16
        archive.writestr(special, "/etc/passwd")
    _refused(tmp_path, stream.getvalue(), "is a link or a device")


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_an_absent_member_is_named(tmp_path: Path, pack) -> None:
    with pytest.raises(AssetError, match=r"has no file 'good/a.txt'"):
        _unpack(tmp_path, pack({"good/b.txt": b"other"}))


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_a_truncated_archive_is_an_asset_error(tmp_path: Path, pack) -> None:
    content = pack({"good/a.txt": bytes(range(256)) * 50})
    with pytest.raises(AssetError, match="not a whole zip or tar archive"):
        _unpack(tmp_path, content[: len(content) // 2])


def test_a_damaged_zip_member_is_an_asset_error(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # stored, so that the text can be found and changed
        archive.writestr("good/a.txt", "the very text")
    with pytest.raises(AssetError, match="CRC"):
        _unpack(tmp_path, stream.getvalue().replace(b"the very text", b"the vary text"))
