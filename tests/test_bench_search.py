"""The plain search of `bench/` writes the tokens that Trimtab's writes: what is compared there is the same work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from decode_models import PROMPTS, tiny

from trimtab.decode.answer import Compute
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam
from trimtab.decode.scorers.log_ratio import LogRatio

TOKENS = 22  # no multiple of the chunk


@pytest.fixture
def plain_search(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "bench")
    from plain_search import PlainSearch  # pyright: ignore[reportMissingImports]

    return PlainSearch


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_plain_search_writes_the_same_tokens(family: str, plain_search: Callable[..., Any]) -> None:
    base, tuned, untuned = tiny(9, family), tiny(1, family), tiny(2, family)
    ids, names = [base.prompt_ids(one.text, "plain") for one in PROMPTS], [one.id for one in PROMPTS]
    assert len({len(one) for one in ids}) > 2
    pair, ends = LogRatio(tuned, untuned, base, "plain"), set()
    for seed in range(3):
        method = ChunkBeam(3, 3, 5, max_new_tokens=TOKENS)
        found = method(LocalBase(base), pair, PROMPTS, seed, Compute())
        ours = [one.answer.ids for one in found]
        plain = plain_search(
            base.model, tuned.model, untuned.model, base.end_ids, base.pad_id, 3, 3, 5, TOKENS, seed
        )  # fmt: skip
        assert [plain([one], [name])[0] for one, name in zip(ids, names, strict=True)] == ours
        assert plain(ids, names) == ours
        ends |= {one.answer.ended for one in found}
    assert ends == {True, False}
