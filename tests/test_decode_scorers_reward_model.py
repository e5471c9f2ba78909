"""Reward and cost models: values by hand, the same in any batch, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from decode_models import PROMPTS, tiny
from tiny_models import tiny_bert, tiny_llama, tiny_texts, tiny_tokenizer
from transformers import BertConfig, BertForSequenceClassification, LlamaForSequenceClassification

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.decode.scorers.reward_model import RewardModel
from trimtab.decode.sequence_classifier import SequenceClassifier, classifier_of_parts, sequence_classifier
from trimtab.errors import ModelError, UsageError
from trimtab.types import ModelSpec

TEMPLATE = (
    "{% for m in messages %}[BOS] {{ m.role }} : {{ m.content }}"
    " [EOS] {% endfor %}{% if add_generation_prompt %}[BOS] assistant : {% endif %}"
)
TEXTS = [Answer(text) for text in (" " + " ".join(tiny_texts(7, seed=3)), "", " good", " a bad film", " good good")]


def causal(seed: int = 0, pad_id: int | None = 0, blind: bool = False) -> SequenceClassifier:
    """Return a random causal reward model; a blind one has no blocks that add anything: it reads the last token."""
    torch.manual_seed(seed)
    config = tiny_llama().config
    config.num_labels, config.pad_token_id = 1, pad_id
    model = LlamaForSequenceClassification(config)
    if blind:
        for layer in model.model.layers:
            torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
            torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return classifier_of_parts(model, tiny_tokenizer(encoder=False), "rewards")


def encoder() -> SequenceClassifier:
    torch.manual_seed(1)
    config = BertConfig.from_dict(tiny_bert().config.to_dict() | {"num_labels": 1})
    return classifier_of_parts(BertForSequenceClassification(config), tiny_tokenizer(encoder=True), "encoder")


def rewards(scorer: RewardModel, answers: list[Answer], compute: Compute | None = None) -> list[float]:
    prompts = [PROMPTS[place % len(PROMPTS)] for place in range(len(answers))]
    return list(scorer.values(prompts, answers, compute or Compute()))


def test_a_reward_by_hand() -> None:
    """Without blocks the reward is w' e / sqrt(mean e^2 + eps), e the embedding of the last token."""
    model = causal(blind=True)
    (found,) = RewardModel(model).values([Prompt("p", "the film")], [Answer(" was good")], Compute())
    with torch.no_grad():
        e = model.model.model.embed_tokens.weight[model.tokenizer.convert_tokens_to_ids("good")].double()
        norm = e / (e.square().mean() + model.model.config.rms_norm_eps).sqrt()
        wanted = (model.model.score.weight[0].double() @ norm).item()
    assert found == pytest.approx(wanted, abs=1e-5)
    assert abs(wanted) > 0.01


@pytest.mark.parametrize("model", [causal(), causal(pad_id=None), encoder()], ids=["causal", "unpadded", "encoder"])
def test_a_batch_is_as_many_texts_alone_in_any_order(model: SequenceClassifier) -> None:
    together = rewards(RewardModel(model), TEXTS)
    assert len({round(one, 4) for one in together}) == len(together)
    for batch_tokens in (1, 8, 40):
        assert rewards(RewardModel(model, batch_tokens=batch_tokens), TEXTS) == pytest.approx(together, abs=1e-5)
    for place, prompt in enumerate([PROMPTS[i % len(PROMPTS)] for i in range(len(TEXTS))]):
        text = prompt.text + TEXTS[place].text
        ids = torch.tensor([model.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            alone = model.model(input_ids=ids).logits.item()
        assert together[place] == pytest.approx(alone, abs=1e-5)


def test_an_ending_token_counts_where_the_model_skips_no_token() -> None:
    """Told of no padding token, a causal model reads the last token; else the last one that is no padding."""
    texts = [Answer(" good"), Answer(" good [PAD]")]
    prompt = [PROMPTS[0], PROMPTS[0]]
    plain, padded = RewardModel(causal(pad_id=None)).values(prompt, texts, Compute())
    assert abs(plain - padded) > 1e-3
    plain, padded = RewardModel(causal(pad_id=0)).values(prompt, texts, Compute())
    assert plain == pytest.approx(padded, abs=1e-6)


def test_a_cost_is_a_reward_with_its_sign_turned() -> None:
    model = causal()
    assert rewards(RewardModel(model, cost=True), TEXTS) == [-one for one in rewards(RewardModel(model), TEXTS)]
    assert RewardModel(model, cost=True).name == "cost_model rewards"


def test_an_empty_answer_has_the_reward_of_the_prompt_alone() -> None:
    model = causal()
    (found,) = RewardModel(model).values([PROMPTS[0]], [Answer("", (3,), ended=True)], Compute())
    with torch.no_grad():
        ids = torch.tensor([model.tokenizer(PROMPTS[0].text)["input_ids"]])
        assert found == pytest.approx(model.model(ids).logits.item(), abs=1e-6)


def test_tokens_and_operations_are_counted() -> None:
    model, compute = causal(), Compute()
    prompts = [PROMPTS[0], PROMPTS[0]]  # three tokens
    RewardModel(model).values(prompts, [Answer(" good film"), Answer("")], compute)
    table = model.model.get_input_embeddings().weight.numel()
    weights = sum(one.numel() for one in model.model.parameters()) - table
    assert compute.tokens == {"reward": 5 + 3}
    assert compute.flops == 2 * weights * 8


def test_only_an_answer_that_has_ended_is_closed_in_a_chat() -> None:
    model = causal()
    model.tokenizer.chat_template = TEMPLATE
    read = model.tokenizer.decode
    begun = "[BOS] [UNK] : the film [EOS] [BOS] [UNK] : good"
    assert read(model.chat_ids("the film", "good", False)) == begun
    assert read(model.chat_ids("the film", "good", True)) == f"{begun} [EOS]"
    assert read(model.chat_ids("the film", "", False)) == begun.removesuffix(" good")
    values = RewardModel(model, "chat").values(
        [PROMPTS[0]] * 2, [Answer("good"), Answer("good", (5,), True)], Compute()
    )
    assert abs(values[0] - values[1]) > 1e-3


def test_a_search_returns_what_the_model_prefers() -> None:
    """The first of n samples is plain sampling's: the best has its reward at the least, the cheapest at most."""
    base, scorer, compute = LocalBase(tiny(0)), RewardModel(causal(4)), Compute()
    sampled = sample(12)(base, Indifferent(), PROMPTS, 0, Compute())
    best = best_of_n(6, 12)(base, scorer, PROMPTS, 0, compute)
    cheap = best_of_n(6, 12)(base, RewardModel(scorer.model, cost=True), PROMPTS, 0, Compute())
    answers = [one.answer for found in (cheap, sampled, best) for one in found]
    values = scorer.values(PROMPTS * 3, answers, Compute())
    least, middle, most = values[:4], values[4:8], values[8:]
    assert all(low <= plain <= high for low, plain, high in zip(least, middle, most, strict=True))
    assert sum(least) + 1 < sum(middle) < sum(most) - 1
    assert [one.score for one in best] == pytest.approx(most, abs=1e-5)
    assert [one.score for one in cheap] == pytest.approx([-one for one in least], abs=1e-5)
    assert set(compute.tokens) == {"base", "reward"}


def test_chunks_are_scored_as_whole_texts() -> None:
    base, scorer = LocalBase(tiny(0)), RewardModel(causal(4))
    found = ChunkBeam(2, 4, 4, max_new_tokens=12)(base, scorer, PROMPTS, 0, Compute())
    values = scorer.values(PROMPTS, [one.answer for one in found], Compute())
    assert [one.score for one in found] == pytest.approx(values, abs=1e-5)


def saved(folder: Path, model: object) -> ModelSpec:
    model.save_pretrained(folder)  # pyright: ignore[reportAttributeAccessIssue]
    tiny_tokenizer(encoder=False).save_pretrained(folder)
    return ModelSpec(str(folder), precision="fp32")


def test_a_saved_model_is_loaded_with_its_head(tmp_path: Path) -> None:
    model = causal(2)
    loaded = sequence_classifier(saved(tmp_path / "rewards", model.model))
    assert rewards(RewardModel(loaded), TEXTS) == pytest.approx(rewards(RewardModel(model), TEXTS), abs=1e-6)
    assert loaded.name == "rewards"


def test_models_that_give_no_reward_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="words has 2 outputs; wanted a sequence-classification model with one"):
        sequence_classifier(saved(tmp_path / "words", tiny_llama()))
    headless = tiny_llama()
    headless.config.num_labels = 1
    with pytest.raises(ModelError, match=r"1 weights of LlamaForSequenceClassification are missing.*score.weight"):
        sequence_classifier(saved(tmp_path / "headless", headless))


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(UsageError, match="prompt p0 and its answer have 66 tokens, but rewards reads 64"):
        RewardModel(causal()).values(PROMPTS[:1], [Answer(" good" * 63)], Compute())
    with pytest.raises(UsageError, match="rewards has no chat template"):
        RewardModel(causal(), "chat").values(PROMPTS[:1], [Answer(" good")], Compute())
    with pytest.raises(UsageError, match="the text '' has no token for rewards"):
        RewardModel(causal()).values([Prompt("p", "")], [Answer("")], Compute())
    with pytest.raises(UsageError, match="the form of a reward model is 'html'"):
        RewardModel(causal(), "html")
