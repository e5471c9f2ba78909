"""What every test may rely on: a home of its own, and Ctrl-C that interrupts; and the long files first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.home import home

LONG_FIRST = (
    "bad_days_kills", "recipes", "executor_ray", "bad_days_runs", "study_tuned_schedules", "study_leaks", "fit_tune",
    "streamed_study", "objectives_tuned", "study_supervisors", "study_schedules", "executor_slurm", "tune_devices",
    "bad_days_disk", "models_real", "schedules_planted_tuned",
)  # fmt: skip
"""Files by how long they take: two processes take whole files in turn, and a long one last would have one wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first; all else stays in its order."""
    place = {f"test_{name}": number for number, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


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
