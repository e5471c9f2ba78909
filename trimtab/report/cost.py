"""What ran and what it cost: seconds, tokens and memory by kind of stage, and the dearest stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.report.grid import Grid
from trimtab.report.groups import Results
from trimtab.report.numbers import NONE, count, duration, memory
from trimtab.report.untrusted import printable

DEAREST = 8
"""Single stages that are listed."""
LEAST_SECONDS = 1.0
"""Stages below it are not listed one by one."""

Stage = Mapping[str, Any]


def cost_grid(results: Results) -> Grid | None:
    """Return the stages by kind: how many ran, how many were cached, how long they took, tokens and memory."""
    stages: Sequence[Stage] = results.get("stages") or ()
    if not stages:
        return None
    kinds = dict.fromkeys(str(stage.get("kind")) for stage in stages)
    body = [_of_kind(printable(kind), [s for s in stages if str(s.get("kind")) == kind]) for kind in kinds]
    body.append(_of_kind("all", stages))
    head = ("", "Stages", "Cached", "Computed in this run", "All, when first made")
    if not _measured(stages):
        body = [row[: len(head)] for row in body]
        return Grid("Stages by kind", head, tuple(body), notes=_notes(stages))
    return Grid("Stages by kind", (*head, *_MEASURED), tuple(body), notes=_notes(stages))


def dearest_grid(results: Results) -> Grid | None:
    """Return the stages that took longest, each with what it cost; None where no stage took long."""
    stages: Sequence[Stage] = results.get("stages") or ()
    chosen = [stage for stage in stages if _seconds(stage) >= LEAST_SECONDS]
    chosen.sort(key=_seconds, reverse=True)
    chosen = chosen[:DEAREST]
    if not chosen:
        return None
    body = [
        (
            printable(stage.get("title") or stage.get("kind"), 80),
            printable(stage.get("kind"), 40),
            "yes" if stage.get("cached") else "no",
            duration(_seconds(stage)),
            *_tokens_and_memory([stage]),
        )
        for stage in chosen
    ]
    head = ("", "Kind", "Cached", "Took")
    if not _measured(stages):
        return Grid("Dearest stages", head, tuple(row[: len(head)] for row in body))
    return Grid("Dearest stages", (*head, *_MEASURED), tuple(body))


_MEASURED = ("Tokens", "Tokens per second", "Peak memory")


def _of_kind(name: str, stages: Sequence[Stage]) -> tuple[str, ...]:
    fresh = [stage for stage in stages if not stage.get("cached")]
    times = [sum(map(_seconds, part)) for part in (fresh, stages)]
    counts = (count(len(stages)), count(len(stages) - len(fresh)))
    return (name, *counts, duration(times[0]), duration(times[1]), *_tokens_and_memory(stages))


def _tokens_and_memory(stages: Sequence[Stage]) -> tuple[str, str, str]:
    """Return tokens, their speed (over the stages that counted some) and the highest memory of any stage."""
    counted = [stage for stage in stages if stage.get("tokens")]
    tokens, seconds = sum(int(stage["tokens"]) for stage in counted), sum(map(_seconds, counted))
    peaks = [int(stage["peak_memory_bytes"]) for stage in stages if stage.get("peak_memory_bytes")]
    return (
        count(tokens) if counted else NONE,
        count(tokens / seconds) if seconds > 0 else NONE,
        memory(max(peaks)) if peaks else NONE,
    )


def _measured(stages: Sequence[Stage]) -> bool:
    return any(stage.get("tokens") or stage.get("peak_memory_bytes") for stage in stages)


def _seconds(stage: Stage) -> float:
    return float(stage.get("seconds") or 0)


def _notes(stages: Sequence[Stage]) -> tuple[str, ...]:
    said = []
    if any(stage.get("cached") for stage in stages):
        said.append("A cached stage's seconds, tokens and memory are those of the run that made it.")
    if any(stage.get("peak_memory_bytes") for stage in stages):
        said.append(
            "Peak memory is the most that the stage's process had held by the stage's end, so a stage that follows a "
            "larger one in the same process shows the larger one's."
        )
    return tuple(said)
