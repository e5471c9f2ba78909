"""A small causal model made from nothing: a byte-pair tokenizer of some texts and a Llama with random weights.

Its tokens are its own, so that it shows what a guide of another vocabulary can do where no other model is at hand.
Sennrich et al. 2016 (byte-pair encoding)  https://arxiv.org/abs/1508.07909
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trimtab.models.fresh_settings import HEAD_WIDTH, Fresh

END = "<|end|>"


def fresh_model(texts: Sequence[str], shape: Fresh, context: int) -> tuple[Any, Any]:
    """Return an untrained model in float32 that reads up to `context` tokens, and its tokenizer, made from texts."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(texts, shape.vocabulary, context)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=shape.hidden, intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.blocks, num_attention_heads=shape.hidden // HEAD_WIDTH,
        num_key_value_heads=shape.hidden // HEAD_WIDTH, max_position_embeddings=context, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shape.seed)
        model = LlamaForCausalLM(config).float().eval()
    return model, tokenizer


def _tokenizer(texts: Sequence[str], vocabulary: int, context: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=END, eos_token=END, pad_token=END, model_max_length=context
    )
