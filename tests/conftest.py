"""What every test may rely on: a home of its own, and no network where it asks for that."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.home import home


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep store and notes of the tests out of the user's own; fetched assets are shared, and only read."""
    assets = home() / "assets"
    folder = tmp_path_factory.mktemp("home")
    if assets.is_dir():
        (folder / "assets").symlink_to(assets, target_is_directory=True)
    before = os.environ.get("TRIMTAB_HOME")
    os.environ["TRIMTAB_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["TRIMTAB_HOME"]
    else:
        os.environ["TRIMTAB_HOME"] = before


@pytest.fixture
def sockets_blocked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Raise on every attempt to reach a network; return the list in which attempts are written down."""
    attempts: list[object] = []

    def refused(*arguments: object, **_: object) -> None:
        attempts.append(arguments[-1])
        raise OSError("the network is blocked in this test")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refused)
    return attempts
