"""Building a model's input: templates, cutting, batches."""

from __future__ import annotations

import pytest
import torch
from tiny_models import WORDS, tiny_texts, tiny_tokenizer

from trimtab.errors import ModelError, UsageError
from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.pooling import pool
from trimtab.models.text import encode, pooling_of, template_of
from trimtab.types import ModelSpec

FRAME = "review : {text} the answer :"


def words(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids)


def test_only_the_end_of_the_text_is_cut():
    tokenizer = tiny_tokenizer(encoder=False)
    encoded = encode(tokenizer, ["good film but long and dull"], FRAME, 8)
    # 8 tokens: "review :" and "the answer :" take 5 of them
    assert words(tokenizer, encoded.ids[0]) == ["review", ":", "good", "film", "but", "the", "answer", ":"]
    assert encoded.truncated == 1
    assert encoded.tokens == 8


def test_special_tokens_survive_the_cut():
    tokenizer = tiny_tokenizer(encoder=True)
    encoded = encode(tokenizer, ["good film but long and dull", "bad"], "{text}", 4)
    assert [words(tokenizer, ids) for ids in encoded.ids] == [
        ["[BOS]", "good", "film", "[EOS]"],
        ["[BOS]", "bad", "[EOS]"],
    ]
    assert encoded.truncated == 1


def test_a_text_of_exactly_the_limit_is_left_alone():
    encoded = encode(tiny_tokenizer(encoder=False), ["one two three"], "{text}", 3)
    assert (encoded.truncated, encoded.tokens) == (0, 3)


def test_a_very_long_text_is_cut_to_the_limit_exactly():
    encoded = encode(tiny_tokenizer(encoder=False), ["good " * 20_000], FRAME, 50)
    assert len(encoded.ids[0]) == 50


def test_cutting_equals_cutting_the_tokens_of_the_text():
    tokenizer = tiny_tokenizer(encoder=False)
    for text in tiny_texts(30, longest=60):
        frame_tokens, text_ids = 5, tokenizer(text)["input_ids"]
        wanted = (
            tokenizer("review :")["input_ids"] + text_ids[: 20 - frame_tokens] + tokenizer("the answer :")["input_ids"]
        )
        assert encode(tokenizer, [text], FRAME, 20).ids == [wanted]


def test_a_template_that_is_too_long_is_refused():
    with pytest.raises(UsageError, match=r"template alone has 5 tokens.*allow 4"):
        encode(tiny_tokenizer(encoder=False), ["good film"], FRAME, 4)


def test_an_empty_text_becomes_one_token():
    tokenizer = tiny_tokenizer(encoder=False)
    assert encode(tokenizer, [""], "{text}", 9).ids == [[tokenizer.bos_token_id]]
    tokenizer.bos_token = tokenizer.eos_token = None
    with pytest.raises(ModelError, match="set a template"):
        encode(tokenizer, [""], "{text}", 9)


def test_braces_in_texts_are_text():
    tokenizer = tiny_tokenizer(encoder=False)
    assert words(tokenizer, encode(tokenizer, ["{text}"], "good {text}", 9).ids[0])[0] == "good"
    assert len(encode(tokenizer, ["{text}"], "good {text}", 9).ids[0]) == 4  # good { text }


def test_defaults_of_template_and_pooling():
    spec = ModelSpec("any")
    assert template_of(spec, FRAME, causal=True) == FRAME
    assert template_of(spec, FRAME, causal=False) == "{text}"
    assert template_of(ModelSpec("any", template="a {text}"), FRAME, causal=False) == "a {text}"
    assert (pooling_of(spec, True), pooling_of(spec, False)) == ("last", "mean")
    assert pooling_of(ModelSpec("any", pooling="mean"), True) == "mean"


@pytest.mark.parametrize("template", ["no slot", "{text} {text}"])
def test_a_template_holds_its_slot_once(template):
    with pytest.raises(UsageError, match="wanted once"):
        template_of(ModelSpec("any", template=template), FRAME, causal=True)


def test_batches_hold_every_item_once_within_the_budget():
    ids = [[0] * (3 + 7 * item % 11) for item in range(100)]
    order = by_length(ids)
    lengths = [len(tokens) for tokens in ids]
    batches = token_batches(order, lengths, 64)
    assert sorted(item for batch in batches for item in batch) == list(range(100))
    assert all(len(batch) * max(lengths[item] for item in batch) <= 64 for batch in batches)
    assert len(batches) <= 1.2 * sum(lengths) / 64 + 1
    assert token_batches([0, 1], [100, 100], 64) == [[0], [1]]


@pytest.mark.parametrize("left", [False, True])
def test_padding_keeps_tokens_in_place(left):
    ids, mask = pad([[5, 6, 7], [8]], 0, left)
    assert ids.tolist() == ([[5, 6, 7], [0, 0, 8]] if left else [[5, 6, 7], [8, 0, 0]])
    assert mask.tolist() == ([[1, 1, 1], [0, 0, 1]] if left else [[1, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize("left", [False, True])
def test_pooling_ignores_padding(left):
    hidden = torch.arange(6.0).reshape(1, 3, 2)
    mask = torch.tensor([[0, 1, 1]] if left else [[1, 1, 0]])
    assert pool(hidden, mask, "last").tolist() == ([[4.0, 5.0]] if left else [[2.0, 3.0]])
    assert pool(hidden, mask, "mean").tolist() == ([[3.0, 4.0]] if left else [[1.0, 2.0]])
    assert pool(hidden.bfloat16(), mask, "mean").dtype == torch.float32


def test_the_tokenizer_knows_the_words():
    assert tiny_tokenizer(encoder=False).unk_token_id not in tiny_tokenizer(encoder=False)(" ".join(WORDS))["input_ids"]


def test_the_start_may_go_in_the_place_of_the_end():
    tokenizer = tiny_tokenizer(encoder=False)
    words = "the film was good but the plot is dull"
    for limit in range(4, 14):
        cut = encode(tokenizer, [words], "review : {text} answer :", limit, "start")
        kept = tokenizer.decode(cut.ids[0]).split()
        assert len(kept) <= limit
        assert kept[:2] == ["review", ":"]
        assert kept[-2:] == ["answer", ":"]
        shown = kept[2:-2]
        assert shown == words.split()[len(words.split()) - len(shown) :]
        assert len(shown) == min(len(words.split()), limit - 4)
        assert cut.truncated == (limit < 13)
