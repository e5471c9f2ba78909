"""What is said while a run goes on: embedding tells of every batch, and a failure is told once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tiny_models import save, tiny_llama

from trimtab.executors.monitor import StageReport
from trimtab.models.activations import activations
from trimtab.terminal import PlainLines
from trimtab.types import ModelSpec


@pytest.mark.parametrize("kept", [False, True])
def test_embedding_tells_of_every_batch(tmp_path: Path, kept: bool) -> None:
    """Forty texts of 6 tokens in batches of 24 tokens are ten batches of four, all inside the first shard."""
    spec = ModelSpec(str(save(tiny_llama(1), tmp_path / "model", encoder=False)), batch_tokens=24)
    calls: list[tuple[int, int, int]] = []

    def progress(done: int, total: int, *, tokens: int = 0) -> None:
        calls.append((done, total, tokens))

    texts = ["the film was very good really"] * 40
    work = tmp_path / "work" if kept else None
    activations(spec, texts, "{text}", progress, work)
    assert sorted(set(calls)) == [(4 * k, 40, 24 * k) for k in range(11)]
    assert calls == sorted(calls)
    calls.clear()
    if kept:  # a shard that is there already is told of at once
        activations(spec, texts, "{text}", progress, work)
        assert calls == [(0, 40, 0), (40, 40, 240)]


def test_batches_of_later_shards_are_counted_from_where_the_earlier_ones_ended(tmp_path: Path) -> None:
    spec = ModelSpec(str(save(tiny_llama(1), tmp_path / "model", encoder=False)), batch_tokens=64)
    calls: list[tuple[int, int]] = []
    activations(spec, ["a good film"] * 600, "{text}", lambda done, _, *, tokens=0: calls.append((done, tokens)))
    assert calls == sorted(calls)
    assert calls[-1] == (600, 1800)
    assert all(tokens == 3 * done for done, tokens in calls)
    assert max(after - before for (before, _), (after, _) in pairwise(calls)) <= 64 // 3


def failed(title: str, error: str) -> StageReport:
    return StageReport("train", title, title, 0.0, cached=False, error=error)


def test_what_stands_above_is_not_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines()
    lines.begin(2, 0)
    lines.finished(failed("fit a", "KeyError: 'left out' [log: /x/a.log]"))
    lines.finished(failed("fit b", "no room."))
    message = "stage train/a (fit a) failed: KeyError: 'left out' [log: /x/a.log] (1 more failed). Run again"
    assert lines.without_what_was_said(message) == "stage train/a (fit a) failed (1 more failed). Run again"
    assert lines.without_what_was_said("the disk is full: nothing") == "the disk is full: nothing"
    assert capsys.readouterr().err.count("left out") == 1
