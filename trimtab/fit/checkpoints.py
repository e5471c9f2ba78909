"""What an unfinished fit can go on from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from trimtab.types import Progress

_MADE_FROM = "made_from.txt"
COMPLETE = "complete"
"""What `checkpoint_watcher` writes into a checkpoint after everything else."""


def last_checkpoint(work: Path, made_from: str, last_file: str) -> Path | None:
    """Return the last complete checkpoint of this very fit; any other one in `work` is removed.

    `last_file` is what the fit writes into a checkpoint after everything else.
    """
    work.mkdir(parents=True, exist_ok=True)
    note = work / _MADE_FROM
    same = note.is_file() and note.read_text(encoding="utf-8") == made_from
    complete: dict[int, Path] = {}
    for folder in work.glob("checkpoint-*"):
        if same and (folder / last_file).is_file():
            complete[int(folder.name.rpartition("-")[2])] = folder
        else:
            shutil.rmtree(folder)
    if not same:
        note.write_text(made_from, encoding="utf-8")
    return complete[max(complete)] if complete else None


def checkpoint_watcher(work: Path, progress: Progress) -> Any:
    """Return a callback of a Trainer that saves into `work`: it tells how far a fit is and marks whole checkpoints."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == state.max_steps:
                control.should_save = False  # the result itself is written next
            progress(state.global_step, state.max_steps)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (work / f"checkpoint-{state.global_step}" / COMPLETE).touch()

    return Watcher()
