"""What is said while a run goes on: embedding tells of every batch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tiny_models import save, tiny_llama

from trimtab.models.activations import activations
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
