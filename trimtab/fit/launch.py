"""Start the processes of one fit on several devices, and hear from them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trimtab import errors
from trimtab.errors import FitError
from trimtab.types import Progress

_LOG = "processes.log"
_LAST_LINES = 8


def launch(module: str, devices: int, job: Mapping[str, Any], work: Path, progress: Progress) -> None:
    """Run `python -m module` in `devices` processes that torchrun connects, until all are done.

    The module is called with the number of processes and the file of the job; it prints one JSON line per step
    (done, total, tokens) and writes what went wrong by `report_failure`.

    Raises what a process reported; FitError where one died without a word.
    """
    work.mkdir(parents=True, exist_ok=True)
    file = work / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    for old in work.glob("failed-*.json"):
        old.unlink()
    # the processes share the cores of this one
    threads = max(1, torch.get_num_threads() // devices)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", module, str(devices), str(file)]
    with (
        (work / _LOG).open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as agent,
    ):
        try:
            _listen(agent, progress)
        finally:
            agent.terminate()  # nothing happens to one that has ended
    if agent.returncode:
        raise _failure(work, agent.returncode)


def report_failure(work: Path, rank: int, error: Exception) -> None:
    """Write down why a process cannot go on."""
    text = {"class": type(error).__name__, "text": str(error)}
    (work / f"failed-{rank}.json").write_text(json.dumps(text), encoding="utf-8")


def _listen(agent: subprocess.Popen[str], progress: Progress) -> None:
    assert agent.stdout is not None
    for line in agent.stdout:
        if line.startswith('{"done"'):
            told = json.loads(line)
            progress(told["done"], told["total"], tokens=told["tokens"])
    agent.wait()


def _failure(work: Path, code: int) -> Exception:
    """Return the first error that is ours, else the first one, else the end of the log."""
    reports = [json.loads(file.read_text("utf-8")) for file in sorted(work.glob("failed-*.json"))]
    for one in reports:
        kind = vars(errors).get(one["class"])
        if isinstance(kind, type) and issubclass(kind, errors.TrimtabError):
            return kind(one["text"])
    if reports:
        return FitError(f"a process of this fit failed: {reports[0]['class']}: {reports[0]['text']}")
    lines = (work / _LOG).read_text("utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    return FitError(f"the processes of this fit ended with code {code}: " + " | ".join(lines))
