"""The real assets, where they are present: whole, loadable with no network, and what they are said to be."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from trimtab import assets
from trimtab.assets.table import ASSETS

pytestmark = pytest.mark.assets


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("an asset reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)


def _folder(name: str) -> Path:
    if not assets.is_present(name):
        pytest.skip(f"asset {name} is not fetched")
    return assets.path(name)


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_whole_and_of_the_stated_size(name: str) -> None:
    manifest = json.loads((_folder(name) / "manifest.json").read_text())
    assert assets.verify(name) == []
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    assert size == pytest.approx(ASSETS[name].unpacked_bytes, rel=1e-3)


def test_vader_has_every_sentence_with_its_ratings() -> None:
    folder = _folder("vader")
    counts = {"movieReviewSnippets": 10_605, "tweets": 4_200, "amazonReviewSnippets": 3_708}
    for texts, count in {**counts, "nytEditorialSnippets": 5_190}.items():
        rows = (folder / f"{texts}_GroundTruth.txt").read_text("utf-8-sig").splitlines()
        rated = (folder / f"{texts}_anonDataRatings.txt").read_text("utf-8-sig").splitlines()
        assert len(rows) == len(rated) == count
        assert {row.split("\t")[0] for row in rows} == {row.split("\t")[0] for row in rated}  # not in one order
        assert min(len(json.loads(row.split("\t")[3])) for row in rated) >= 14


@pytest.mark.parametrize(("name", "parameters"), [("minilm-l6", 22_713_216), ("mpnet-base", 109_486_464)])
def test_an_encoder_puts_like_sentences_together(name: str, parameters: int) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = _folder(name)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    batch = tokenizer(["A man plays a guitar.", "Someone makes music.", "The stock fell."], padding=True)
    batch = {key: torch.tensor(value) for key, value in batch.items()}
    mask = batch["attention_mask"][..., None]
    with torch.no_grad():
        means = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
    means = torch.nn.functional.normalize(means, dim=-1)
    assert means[0] @ means[1] > means[0] @ means[2] + 0.2


def test_smollm2_speaks_english() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = _folder("smollm2-135m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert model.dtype == torch.float32
    asked = tokenizer("The capital of France is", return_tensors="pt")
    answer = model.generate(**asked, max_new_tokens=1, do_sample=False)[0, -1]
    assert tokenizer.decode(answer) == " Paris"
    text = (
        "The committee met on Tuesday morning to discuss the budget for the coming year. After two hours of "
        "debate, the members agreed that the school needed a new roof, and that the work should begin before "
        "the winter."
    )
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        perplexity = model(ids, labels=ids).loss.exp().item()
    assert 5 < perplexity < 40


def test_smollm2_reads_text_as_in_training() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(_folder("smollm2-135m"))
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert (tokenizer.pad_token, tokenizer.unk_token) == ("<|im_end|>", "<|endoftext|>")
    assert tokenizer.model_max_length == 8192
    assert tokenizer.tokenize("a   2024") == ["a", "ĠĠĠ", "2", "0", "2", "4"]
    for text in ("plain words", "  spaces  and\ttabs\n\n", "naïve café 😀", "½²³ 1,234.5", "don't"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert str(asked).endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
