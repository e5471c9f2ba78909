"""Run a Python module that fills a folder, in a process of its own that dies with this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.2


@dataclass(frozen=True)
class Ended:
    """How a program ended and what it printed on both streams."""

    code: int
    output: str

    def last_lines(self) -> str:
        """Return the end of what it printed, short enough for an error message."""
        return "\n".join(self.output.strip().splitlines()[-30:])


def run_module(module: str, arguments: list[str], look: Callable[[], None], settings: Mapping[str, str]) -> Ended:
    """Run `python -m module arguments` with `settings` in its environment, calling `look` now and then."""
    theirs, ours = os.pipe()  # stays empty; closes when this process dies, however it dies
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "trimtab.assets.mortal", module, *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
            encoding="utf-8",
            errors="replace",
        )
        try:
            output = _wait(process, look)
        finally:
            if process.poll() is None:  # interrupted: the folder is about to be deleted under it
                process.kill()
                process.wait()
    finally:
        os.close(theirs)
        os.close(ours)
    return Ended(process.returncode, output)


def _wait(process: subprocess.Popen[str], look: Callable[[], None]) -> str:
    while True:
        try:
            return process.communicate(timeout=POLL_S)[0]
        except subprocess.TimeoutExpired:
            look()


def size_of(folder: Path) -> int:
    """Return the bytes of all files under `folder`, as far as they show while a program writes them."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:  # renamed or deleted since it was listed
                continue
    return total
