"""The last block's feed-forward part for the last token alone: the state that is read stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_models_prefix import COMMON, GEMMA, MIXED
from tiny_models import HIDDEN, VOCABULARY, save, tiny_bert, tiny_gpt2, tiny_llama, tiny_texts
from torch import Tensor, nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from trimtab.models.activations import activations
from trimtab.models.batches import pad
from trimtab.models.last_token import last_feed_forward
from trimtab.models.load import Backbone, forget, own_backbone
from trimtab.models.pooling import pool
from trimtab.types import ModelSpec

BLOOM: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "n_layer": 4, "n_head": 4}
ABLE: dict[str, Callable[[], Any]] = {
    "llama": lambda: tiny_llama(4),
    "gpt2": lambda: tiny_gpt2(4),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**COMMON, num_key_value_heads=2)),
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**COMMON)),  # attention and feed-forward side by side
    "gemma2": lambda: Gemma2ForCausalLM(Gemma2Config(**GEMMA, layer_types=MIXED)),  # a norm after the feed-forward
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**COMMON, num_key_value_heads=2, num_local_experts=4)),
    "bloom": lambda: BloomForCausalLM(BloomConfig(**BLOOM)),  # adds the residual inside
}
UNABLE: dict[str, Callable[[], Any]] = {
    "opt": lambda: OPTForCausalLM(OPTConfig(**COMMON, ffn_dim=48, word_embed_proj_dim=HIDDEN)),  # no module of its own
    "falcon": lambda: FalconForCausalLM(  # adds to the result in place
        FalconConfig(**COMMON, parallel_attn=True, new_decoder_architecture=False)
    ),
}


def backbone(model: Any, folder: Path, **spec: Any) -> Backbone:
    save(model, folder, encoder=False)
    return own_backbone(ModelSpec(str(folder), precision="fp32", **spec))


def batch(found: Backbone) -> tuple[Tensor, Tensor]:
    ids = found.tokenizer(tiny_texts(7, seed=3))["input_ids"]
    return pad(ids, found.pad_id, found.pads_left)


def whole(found: Backbone, ids: Tensor, mask: Tensor) -> Tensor:
    return pool(found.hidden_states(ids, mask), mask, "last")


def read(found: Backbone, ids: Tensor, mask: Tensor) -> Tensor:
    with found.reading(mask, "last"):
        return pool(found.hidden_states(ids, mask), mask, "last")


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("name", ABLE)
def test_the_state_that_is_read_stays_what_it_was(name: str, padding: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = backbone(ABLE[name](), tmp_path, padding=padding)
    assert found.last_feed_forward is not None
    ids, mask = batch(found)
    seen: list[int] = []
    handle = found.last_feed_forward.register_forward_hook(lambda _m, given, _o: seen.append(given[0].numel()))
    with torch.no_grad():
        torch.testing.assert_close(read(found, ids, mask), whole(found, ids, mask), rtol=1e-5, atol=1e-5)
    handle.remove()
    assert seen == [len(ids) * HIDDEN, ids.numel() * HIDDEN]


@pytest.mark.parametrize("name", UNABLE)
def test_a_block_that_cannot_do_it_runs_as_it_is(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = backbone(UNABLE[name](), tmp_path)
    assert found.last_feed_forward is None
    ids, mask = batch(found)
    with torch.no_grad():
        assert torch.equal(read(found, ids, mask), whole(found, ids, mask))


@pytest.mark.parametrize("layer", [1, 3, 4])
def test_an_early_exit_narrows_the_block_below_it(layer: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = backbone(tiny_llama(4), tmp_path, layer=layer)
    assert found.last_feed_forward is list(found.model.layers)[layer - 1].mlp
    ids, mask = batch(found)
    with torch.no_grad():
        torch.testing.assert_close(read(found, ids, mask), whole(found, ids, mask), rtol=1e-5, atol=1e-5)


def test_below_the_first_block_there_is_none(tmp_path: Path) -> None:
    assert backbone(tiny_llama(4), tmp_path, layer=0).last_feed_forward is None


def test_gradients_stay_what_they_were(tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = backbone(tiny_llama(4), tmp_path)
    ids, mask = batch(found)

    def gradients(run: Callable[[Backbone, Tensor, Tensor], Tensor]) -> list[Tensor]:
        found.model.zero_grad()
        run(found, ids, mask).square().sum().backward()
        return [one.grad.clone() for one in found.model.parameters() if one.grad is not None]

    for mine, theirs in zip(gradients(read), gradients(whole), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_an_average_over_tokens_reads_all_of_them(tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = backbone(tiny_llama(4), tmp_path)
    ids, mask = batch(found)
    with torch.no_grad(), found.reading(mask, "mean"):
        inside = found.hidden_states(ids, mask)
    with torch.no_grad():
        assert torch.equal(inside, found.hidden_states(ids, mask))


def test_an_encoder_has_none(tmp_path: Path) -> None:
    save(tiny_bert(), tmp_path, encoder=True)
    assert own_backbone(ModelSpec(str(tmp_path), precision="fp32")).last_feed_forward is None


def test_a_feed_forward_that_mixes_tokens_is_found_out(tmp_path: Path) -> None:
    class Mixing(nn.Module):
        def forward(self, hidden_states: Tensor) -> Tensor:
            return hidden_states.cumsum(1)

    found = backbone(tiny_llama(4), tmp_path)
    assert last_feed_forward(found.model, None) is not None
    found.model.layers[3].mlp = Mixing()
    assert last_feed_forward(found.model, None) is None


def test_activations_are_those_of_the_whole_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    save(tiny_llama(4), tmp_path, encoder=False)
    spec, texts = ModelSpec(str(tmp_path), precision="fp32"), tiny_texts(40, seed=5)
    prompt = "the text is good and fun and never dull and it is not bad and not awful {text} answer :"
    forget()
    found = activations(spec, texts, prompt).values
    monkeypatch.setattr("trimtab.models.load.last_feed_forward", lambda *_: None)
    forget()
    wanted = activations(spec, texts, prompt).values
    forget()
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(wanted), rtol=1e-5, atol=1e-5)
