"""What every test may rely on: a home of its own, and Ctrl-C that interrupts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.home import home


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_interrupts() -> None:
    """Undo what a shell does to a command that it starts in the background: it and all its children ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
