"""Tiny causal models in memory for tests of decoding, and what is common to those tests."""

from __future__ import annotations

import torch
from tiny_models import CONTEXT, tiny_gpt2, tiny_llama, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trimtab.decode.answer import Prompt
from trimtab.decode.language_model import LanguageModel, of_parts

TEXTS = ("the film was", "a really long and dull movie", "i", "this text is not very good but")
PROMPTS = [Prompt(f"p{number}", text) for number, text in enumerate(TEXTS)]


def tiny(seed: int, family: str = "llama", padding_side: str = "right") -> LanguageModel:
    """Return a random model whose tokens are the same for every seed and family."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer(encoder=False)
    tokenizer.padding_side = padding_side
    model = tiny_llama() if family == "llama" else tiny_gpt2()
    return of_parts(model, tokenizer, f"{family}{seed}")


def letters(seed: int) -> LanguageModel:
    """Return a random model that reads letter by letter: another vocabulary."""
    torch.manual_seed(seed)
    alphabet = ["[EOS]", *"abcdefghijklmnopqrstuvwxyz :.[]ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    inner = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(alphabet)}, unk_token="[EOS]"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="[EOS]", model_max_length=1024)
    return of_parts(_llama(len(alphabet), 1024, end=0), tokenizer, f"letters{seed}")


def three_tokens(seed: int) -> LanguageModel:
    """Return a random model of three tokens, the first of which ends an answer: its answers can be listed."""
    torch.manual_seed(seed)
    inner = Tokenizer(models.WordLevel({"[EOS]": 0, "a": 1, "b": 2}, unk_token="a"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="[EOS]", model_max_length=CONTEXT)
    return of_parts(_llama(3, CONTEXT, end=0), tokenizer, f"three{seed}")


def _llama(vocabulary: int, context: int, end: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=context, initializer_range=0.5, bos_token_id=None,
            eos_token_id=end, pad_token_id=None,
        )
    )  # fmt: skip


def log_probability(model: LanguageModel, prompt: list[int], answer: list[int]) -> float:
    """Return the log-probability of an answer's tokens in nats, from one uncut forward pass in float64."""
    ids = torch.tensor([prompt + answer])
    with torch.no_grad():
        logits = model.model(ids).logits.double().log_softmax(-1)[0]
    return sum(logits[len(prompt) + i - 1, token].item() for i, token in enumerate(answer))
