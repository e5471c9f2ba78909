"""Tiny random models with a real tokenizer, saved as folders that transformers loads."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

WORDS = (  # noqa: SIM905 - easier to read
    "the a film movie is was not very good bad great awful plot acting and but review text class answer of "
    "positive negative neutral yes no i it this that one two three really never always fun dull long short :"
).split()
SPECIALS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
VOCABULARY = len(SPECIALS) + len(WORDS)
HIDDEN, LAYERS, CONTEXT = 32, 3, 64


def tiny_tokenizer(encoder: bool, padding: bool = True) -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer; an encoder's frames its text, a causal one's adds nothing."""
    vocabulary = {word: index for index, word in enumerate([*SPECIALS, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if encoder:
        inner.post_processor = processors.TemplateProcessing(
            single="[BOS] $A [EOS]",
            special_tokens=[("[BOS]", vocabulary["[BOS]"]), ("[EOS]", vocabulary["[EOS]"])],
        )
    names = {"unk_token": "[UNK]", "bos_token": "[BOS]", "eos_token": "[EOS]"} | (
        {"pad_token": "[PAD]"} if padding else {}
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=CONTEXT, **names)


def tiny_llama(layers: int = LAYERS) -> LlamaForCausalLM:
    """Return a random Llama with rotary positions and grouped attention heads."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=HIDDEN,
            intermediate_size=48,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            initializer_range=0.3,
            bos_token_id=2,
            eos_token_id=3,
            pad_token_id=None,
        )
    )


def tiny_gpt2(layers: int = LAYERS) -> GPT2LMHeadModel:
    """Return a random GPT-2 with learned absolute positions."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=HIDDEN,
            n_layer=layers,
            n_head=4,
            n_positions=CONTEXT,
            initializer_range=0.3,
            bos_token_id=2,
            eos_token_id=3,
        )
    )


def tiny_bert(layers: int = LAYERS) -> BertModel:
    """Return a random BERT without a pooler, as encoders are often published."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        pad_token_id=0,
    )
    return BertModel(config, add_pooling_layer=False)


def save(model: PreTrainedModel, folder: Path, encoder: bool, padding: bool = True) -> Path:
    """Write model and tokenizer; return the folder."""
    model.save_pretrained(folder)
    tiny_tokenizer(encoder, padding).save_pretrained(folder)
    return folder


def tiny_causal(folder: Path, kind: str = "llama", seed: int = 0, padding: bool = True) -> Path:
    """Save a random causal model ("llama" or "gpt2") with its tokenizer; return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = {"llama": tiny_llama, "gpt2": tiny_gpt2}[kind]()
    return save(model, folder, encoder=False, padding=padding)


def tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """Save a random encoder with its tokenizer; return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = tiny_bert()
    return save(model, folder, encoder=True)


def tiny_texts(count: int, seed: int = 0, shortest: int = 1, longest: int = 20) -> list[str]:
    """Return random sentences of the tokenizer's words."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()
    return [
        " ".join(WORDS[index] for index in torch.randint(len(WORDS), (length,), generator=generator).tolist())
        for length in lengths
    ]
