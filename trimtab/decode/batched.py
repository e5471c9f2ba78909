"""Answer many prompts batch by batch, so that a run that was stopped goes on after its last whole batch.

Which prompts share a batch is fixed by all prompts together, never by what was done before: in bf16, where results
depend on the companions of a batch, a resumed run then gives what an uninterrupted one gives.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.search import Scored
from trimtab.types import Progress

ANSWERS, BATCHES = "answers.jsonl", "batches.jsonl"


@dataclass(frozen=True)
class AnswerRow:
    """One prompt's answer, a line of `answers.jsonl`."""

    prompt: str
    """The prompt's id."""
    text: str
    ended: bool
    """Whether the base model ended it."""
    ids: tuple[int, ...] | None
    """Its tokens in the base model, the ending one included; none where the base is reached by text only."""
    score: float
    """By the method's own scorer; means nothing where it has none."""


@dataclass(frozen=True)
class BatchCost:
    """What one batch took, a line of `batches.jsonl`; a batch is done when it has one."""

    prompts: int
    tokens: dict[str, int]
    """By role, as run."""
    flops: float
    seconds: float


Answering = Callable[[Sequence[Prompt], Compute], Sequence[Scored]]
"""Answers a batch of prompts and counts what it costs."""


def answer_all(
    answering: Answering, prompts: Sequence[Prompt], batch: int, folder: Path, progress: Progress
) -> tuple[list[AnswerRow], list[BatchCost]]:
    """Return one row per prompt in their order, and the cost of each batch; `folder` keeps what is done."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, costs = _done(folder, batch, len(prompts))
    progress(len(rows), len(prompts))
    while len(rows) < len(prompts):
        some = prompts[len(rows) : len(rows) + batch]
        compute, begun = Compute(), time.perf_counter()
        found = answering(some, compute)
        cost = BatchCost(len(some), dict(compute.tokens), compute.flops, time.perf_counter() - begun)
        new = [row_of(prompt, scored) for prompt, scored in zip(some, found, strict=True)]
        _append(folder / ANSWERS, [asdict(one) for one in new])
        _append(folder / BATCHES, [asdict(cost)])
        rows, costs = [*rows, *new], [*costs, cost]
        progress(len(rows), len(prompts))
    return rows, costs


def row_of(prompt: Prompt, found: Scored) -> AnswerRow:
    """Return the line of one answer."""
    answer = found.answer
    return AnswerRow(prompt.id, answer.text, answer.ended, answer.ids, found.score)


def read_rows(folder: Path) -> list[AnswerRow]:
    """Return the answers that `answer_all` wrote into a folder."""
    return [_row(one) for one in _lines(folder / ANSWERS)]


def read_costs(folder: Path) -> list[BatchCost]:
    """Return the costs that `answer_all` wrote into a folder."""
    return [BatchCost(**one) for one in _lines(folder / BATCHES)]


def _row(values: dict[str, Any]) -> AnswerRow:
    ids = values.pop("ids")
    return AnswerRow(ids=None if ids is None else tuple(ids), **values)


def _done(folder: Path, batch: int, prompts: int) -> tuple[list[AnswerRow], list[BatchCost]]:
    """Return what whole batches are there; what a killed process left of another one is cut off."""
    rows, costs = read_rows(folder), read_costs(folder)
    sizes = [min(batch, prompts - start) for start in range(0, prompts, batch)]
    assert [one.prompts for one in costs] == sizes[: len(costs)], f"{folder} holds batches of another plan"
    rows = rows[: sum(one.prompts for one in costs)]
    for name, kept in ((ANSWERS, rows), (BATCHES, costs)):
        whole = folder / f"{name}.whole"
        whole.unlink(missing_ok=True)
        _append(whole, [asdict(one) for one in kept])
        whole.replace(folder / name)
    return rows, costs


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="\n") as handle:  # texts may hold other ends of lines
        for line in handle:
            if line.endswith("\n"):  # the last one may be half written
                yield json.loads(line)


def _append(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add lines that are on the disk when this returns."""
    with path.open("a", encoding="utf-8") as handle:
        handle.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        handle.flush()
        os.fsync(handle.fileno())
