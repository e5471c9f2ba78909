"""GGUF -> safetensors, tokenizer, configuration, chat template: `python -m trimtab.assets.convert GGUF OUT`.

Weights are stored in float32, in which a 4-bit block's `scale * q + minimum` is kept as the reader computes
it: a model loaded in float32, or rounded to bfloat16, is the one that loading the GGUF file itself would
give. Half the size would cost exactness: last activations of SmolLM2-135M move by 5e-4 (float16) or 3e-3
(bfloat16) in relative norm, single ones by 0.02 or 0.08, more than the 1e-3 within which float32
activations are promised to agree.

Differs from what transformers reads out of the file: transformers takes every byte-level BPE vocabulary to
be split like GPT-2's, while `tokenizer.ggml.pre` may say otherwise; "smollm" splits numbers into single
digits first, so that spaces before a number are cut as in training.
"""

from __future__ import annotations

import sys
from pathlib import Path
from reprlib import repr
from typing import TYPE_CHECKING, Any

from trimtab.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def convert(gguf: Path, out: Path) -> None:
    """Write the model in `gguf` to the folder `out`, for `from_pretrained(out)` to load without the file.

    Raises ModelError where a weight is missing or the tokenizer is not the file's.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, output_loading_info=True
    )
    model, loading = loaded
    wrong = {kind: sorted(map(str, keys)) for kind, keys in loading.items() if keys}
    if wrong:
        raise ModelError(f"{gguf.name} does not fill its architecture: {wrong}")
    del model.config.quantization_config  # the weights are widened now: nothing is quantised any more
    model.hf_quantizer = None
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    _match_vocabulary(tokenizer, _metadata(gguf), gguf.name)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _metadata(gguf: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    wanted = ("pre", "tokens", "bos_token_id", "eos_token_id", "padding_token_id", "unknown_token_id")
    fields = GGUFReader(gguf).fields
    return {key: fields[f"tokenizer.ggml.{key}"].contents() for key in wanted}


def _match_vocabulary(tokenizer: PreTrainedTokenizerBase, metadata: dict[str, Any], file: str) -> None:
    """Split text as the file says, and make sure that ids and special tokens are the file's."""
    from tokenizers import pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    splits = {
        "gpt-2": byte_level,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level]),
    }
    if metadata["pre"] not in splits:
        raise ModelError(f'{file} splits text as "{metadata["pre"]}".{did_you_mean(metadata["pre"], splits)}')
    backend: Any = tokenizer.backend_tokenizer
    backend.pre_tokenizer = splits[metadata["pre"]]
    found: dict[str, Any] = {
        "tokens": tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "padding_token_id": tokenizer.pad_token_id,
        "unknown_token_id": tokenizer.unk_token_id,
    }
    for key, value in found.items():
        if value != metadata[key]:
            raise ModelError(f"{file}: the tokenizer's {key} is {repr(value)}, the file's {repr(metadata[key])}")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
