"""Rows with kept keys and values: the logits and probabilities of the uncut model, whatever was forked or rewound."""

from __future__ import annotations

import pytest
import torch
from decode_models import PROMPTS, TEXTS, log_probability, tiny

from trimtab.decode import sequences
from trimtab.decode.answer import Compute
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sequences import Sequences
from trimtab.errors import UsageError
from trimtab.models.logprobs import token_log_probabilities


def opened(model: LanguageModel) -> tuple[Sequences, list[list[int]], Compute]:
    ids, compute = [model.prompt_ids(one.text, "plain") for one in PROMPTS], Compute()
    return Sequences(model, ids, compute, "base"), ids, compute


def whole(model: LanguageModel, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model.model(torch.tensor([ids])).logits[0, -1]


def keys(rows: Sequences) -> torch.Tensor:
    return rows.kept.layers[0].keys  # pyright: ignore


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_logits_are_those_of_the_uncut_model(family: str) -> None:
    model = tiny(0, family)
    rows, ids, compute = opened(model)
    for token in (5, 9):
        found = rows.logits()
        for row, tokens in enumerate(ids):
            torch.testing.assert_close(found[row], whole(model, tokens), atol=1e-5, rtol=1e-4)
        rows.append(torch.full((len(ids),), token))
        ids = [[*one, token] for one in ids]
    # the last token waits: it has not been run
    assert compute.tokens == {"base": sum(len(one) - 1 for one in ids)}
    assert compute.flops == 2 * model.parameters * compute.tokens["base"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_reading_ragged_chunks_rewinding_and_choosing_rows(family: str) -> None:
    model = tiny(0, family)
    rows, ids, _ = opened(model)
    chunks = [[5, 6, 7], [], [8], [9, 10]]
    found = rows.read(chunks)
    for prompt, chunk, values in zip(ids, chunks, found, strict=True):
        assert sum(values) == pytest.approx(log_probability(model, prompt, chunk), abs=1e-4)
    fork = rows.fork([0, 0, 3])
    texts = [[*ids[0], 5], [*ids[0], 5, 6, 7], [*ids[3], 9]]
    fork.rewind(texts)
    again = fork.read([[11, 12], [4], [13]])
    for text, chunk, values in zip(texts, [[11, 12], [4], [13]], again, strict=True):
        assert sum(values) == pytest.approx(log_probability(model, text, chunk), abs=1e-4)
    # what the fork did is unknown to the rows it came from
    rows.select([3, 0])
    for text, values in zip([[*ids[3], 9, 10], [*ids[0], 5, 6, 7]], rows.read([[6], [6]]), strict=True):
        assert sum(values) == pytest.approx(log_probability(model, text, [6]), abs=1e-4)


def test_a_fork_from_known_logits_keeps_them() -> None:
    rows, ids, _ = opened(tiny(0))
    logits = rows.logits()
    fork = rows.fork([2, 2, 0])
    assert (fork.logits() == logits[[2, 2, 0]]).all()
    assert len(ids) == len(rows)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_reading_on_from_known_logits_runs_a_parent_once(family: str) -> None:
    model = tiny(0, family)
    rows, ids, compute = opened(model)
    rows.logits()
    parents = [0, 0, 2, 3, 3]
    rows.select(parents)
    before, chunks = compute.tokens["base"], [[5, 6, 7], [8], [], [9, 10], [11]]
    assert before == sum(map(len, ids))
    found = rows.read(chunks)
    for parent, chunk, values in zip(parents, chunks, found, strict=True):
        assert len(values) == len(chunk)
        assert sum(values) == pytest.approx(log_probability(model, ids[parent], chunk), abs=1e-4)
    assert compute.tokens["base"] - before == 2 + 0 + 0 + 1 + 0  # neither what was known nor last tokens
    texts = [[*ids[parent], *chunk] for parent, chunk in zip(parents, chunks, strict=True)]
    for text, values in zip(texts, rows.read([[12]] * 5), strict=True):
        assert sum(values) == pytest.approx(log_probability(model, text, [12]), abs=1e-4)


def test_tokens_that_are_taken_unread_are_there() -> None:
    model = tiny(0)
    rows, ids, compute = opened(model)
    chunks = [[5, 6, 7], [], [8], [9, 10]]
    rows.take(chunks)
    texts = [[*one, *chunk] for one, chunk in zip(ids, chunks, strict=True)]
    assert compute.tokens == {"base": sum(len(text) - 1 for text in texts)}
    for text, values in zip(texts, rows.read([[12]] * 4), strict=True):
        assert sum(values) == pytest.approx(log_probability(model, text, [12]), abs=1e-4)


def test_long_texts_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, largest = tiny(0), 0

    def noted(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, 4 * logits.numel())
        return token_log_probabilities(logits, ids)

    monkeypatch.setattr(sequences, "token_log_probabilities", noted)
    chunks = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [], [5, 4, 6, 8, 7]]
    whole_texts, _, _ = opened(model)
    wanted = whole_texts.read(chunks)
    for tokens in (1, 2, 3):
        limit = 4 * tokens * len(chunks) * model.vocabulary
        monkeypatch.setattr(sequences, "_LOGITS_BYTES", limit)
        rows, ids, _ = opened(model)
        largest = 0
        for first, second in zip(wanted, rows.read(chunks), strict=True):
            assert second == pytest.approx(first, abs=1e-5)
        assert largest == limit
        assert rows.kept.lengths.tolist() == [len(one) + len(chunk) - 1 for one, chunk in zip(ids, chunks, strict=True)]


def test_rows_that_leave_cost_no_copy_and_a_fork_does_not_notice() -> None:
    model = tiny(0)
    rows, ids, _ = opened(model)
    rows.read([[5], [6], [7], [8]])
    fork = rows.fork(range(4))
    before = keys(rows)
    rows.select([0, 3])  # row 3 moves into the gap
    assert keys(rows).data_ptr() == before.data_ptr()
    for text, values in zip([[*ids[0], 5], [*ids[3], 8]], rows.read([[9], [9]]), strict=True):
        assert sum(values) == pytest.approx(log_probability(model, text, [9]), abs=1e-4)
    for text, token, values in zip(ids, (5, 6, 7, 8), fork.read([[9]] * 4), strict=True):
        assert sum(values) == pytest.approx(log_probability(model, [*text, token], [9]), abs=1e-4)


def test_room_is_no_more_than_a_few_columns_ahead() -> None:
    model = tiny(0)
    rows, ids, _ = opened(model)
    longest = max(map(len, ids))
    for step in range(40):
        rows.logits()
        rows.append(torch.full((4,), 5))
        rows.select([1, 0, 2, 3])
        assert 0 <= keys(rows).shape[2] - (longest + step) < 32


def test_a_prompt_as_long_as_the_context_is_refused() -> None:
    model = tiny(0)
    with pytest.raises(UsageError, match=r"64 tokens, but llama0 reads 64"):
        Sequences(model, [[5] * model.context], Compute(), "base")


def test_parameters_count_shared_embeddings_once_and_unread_ones_never() -> None:
    model = tiny(0)
    table = model.model.get_input_embeddings().weight.numel()
    total = sum(one.numel() for one in model.model.parameters())
    assert model.parameters == total - table  # the output head is a table of its own
    assert model.body_parameters == total - 2 * table
    tied = tiny(0, "gpt2")
    total = sum(one.numel() for one in tied.model.parameters())
    assert tied.parameters == total
    assert tied.body_parameters == total - tied.model.get_input_embeddings().weight.numel()
    assert TEXTS
