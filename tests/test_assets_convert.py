"""A GGUF file made here becomes a folder that loads without it and computes the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trimtab.errors import ModelError

HIDDEN, BLOCKS, FEED_FORWARD, HEADS = 32, 2, 64, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def _vocabulary() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return [*SPECIAL, *sorted(ByteLevel.alphabet()), "ĠĠ", "ĠĠĠ"]


def _write_gguf(file: Path, pre: str) -> dict[str, np.ndarray]:
    """Write a tiny Llama with Q4_1 matrices, and return its tensors as the file's reader widens them."""
    import gguf

    random = np.random.default_rng(0)
    tokens = _vocabulary()
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(BLOCKS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(["Ġ Ġ", "ĠĠ Ġ"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    widened = {}
    for name, shape in _shapes(len(tokens)).items():
        value = random.normal(size=shape).astype(np.float32)
        if len(shape) == 2:
            kind = gguf.GGMLQuantizationType.Q4_1
            blocks = gguf.quants.quantize(value, kind)
            writer.add_tensor(name, blocks, raw_dtype=kind)
            value = gguf.quants.dequantize(blocks, kind)
        else:
            writer.add_tensor(name, value)
        widened[name] = value
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return widened


def _shapes(tokens: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (tokens, HIDDEN),
        "output_norm.weight": (HIDDEN,),
    }
    for block in range(BLOCKS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{block}.{part}.weight"] = (HIDDEN, HIDDEN)
        shapes[f"blk.{block}.ffn_gate.weight"] = (FEED_FORWARD, HIDDEN)
        shapes[f"blk.{block}.ffn_up.weight"] = (FEED_FORWARD, HIDDEN)
        shapes[f"blk.{block}.ffn_down.weight"] = (HIDDEN, FEED_FORWARD)
        shapes[f"blk.{block}.attn_norm.weight"] = (HIDDEN,)
        shapes[f"blk.{block}.ffn_norm.weight"] = (HIDDEN,)
    return shapes


def test_the_folder_is_the_model_of_the_file(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from trimtab.assets.convert import convert

    widened = _write_gguf(tmp_path / "model.gguf", "smollm")
    out = tmp_path / "out"
    out.mkdir()
    convert(tmp_path / "model.gguf", out)

    assert "quantization_config" not in json.loads((out / "config.json").read_text())
    assert {file.suffix for file in out.iterdir()} <= {".json", ".safetensors", ".jinja"}
    model = AutoModelForCausalLM.from_pretrained(out)
    direct = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    assert model.dtype == torch.float32
    layer = model.model.layers[1]
    for name, parameter in {
        "token_embd.weight": model.model.embed_tokens.weight,
        "output_norm.weight": model.model.norm.weight,
        "blk.1.attn_v.weight": layer.self_attn.v_proj.weight,
        "blk.1.ffn_down.weight": layer.mlp.down_proj.weight,
    }.items():
        np.testing.assert_array_equal(parameter.detach().numpy(), widened[name])
    ids = torch.arange(3, 43)[None]
    torch.testing.assert_close(model(ids).logits, direct(ids).logits, rtol=0, atol=0)

    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))) == _vocabulary()
    special = (tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert special == (0, 1, 2, 2)
    assert tokenizer.model_max_length == 128
    # numbers are split off before spaces are: three spaces stay together in front of a digit, not of a letter
    assert tokenizer.tokenize("a   12") == ["a", "ĠĠĠ", "1", "2"]
    assert tokenizer.tokenize("a   b") == ["a", "ĠĠ", "Ġ", "b"]
    for text in ("plain", "  two  spaces ", "naïve 😀 42", "<|im_end|>"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_an_unknown_way_to_split_text_is_refused(tmp_path: Path) -> None:
    from trimtab.assets.convert import convert

    _write_gguf(tmp_path / "model.gguf", "tekken")
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match='splits text as "tekken"'):
        convert(tmp_path / "model.gguf", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
