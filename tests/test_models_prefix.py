"""A model split below its top layers: stored states give what the whole model gives, for every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CONTEXT, HIDDEN, VOCABULARY, save, tiny_bert, tiny_gpt2, tiny_llama, tiny_texts
from transformers import (
    AlbertConfig,
    AlbertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from trimtab.errors import ModelError
from trimtab.models.batches import pad
from trimtab.models.load import Backbone, own_backbone
from trimtab.models.prefix import check_cut, entrance_of, find_cut, hollowed, lower_states
from trimtab.models.prefix_states import StoredStates, shard_name, shards_of, states_of, write_index, write_shard
from trimtab.models.text import encode
from trimtab.types import ModelSpec

LAYERS = 4
COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "max_position_embeddings": CONTEXT, "initializer_range": 0.3,
}  # fmt: skip
# windows of 4 tokens: most texts are longer
GEMMA: dict[str, Any] = COMMON | {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 4}
MIXED = ["sliding_attention", "full_attention"] * 2


def tiny_mpnet() -> MPNetModel:
    return MPNetModel(MPNetConfig(**COMMON | {"max_position_embeddings": CONTEXT + 2}), add_pooling_layer=False)


def tiny_modernbert() -> ModernBertModel:
    # every second layer looks 2 tokens to each side and has another rotary base
    return ModernBertModel(ModernBertConfig(**COMMON, local_attention=4, global_attn_every_n_layers=2, pad_token_id=0))


MODELS: dict[str, tuple[Callable[[], Any], bool]] = {
    "llama": (lambda: tiny_llama(LAYERS), False),
    "gpt2": (lambda: tiny_gpt2(LAYERS), False),
    "qwen2": (lambda: Qwen2ForCausalLM(Qwen2Config(**COMMON, num_key_value_heads=2)), False),
    "gpt_neox": (lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**COMMON)), False),
    "gemma2": (lambda: Gemma2ForCausalLM(Gemma2Config(**GEMMA)), False),
    "gemma3": (lambda: Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA, layer_types=MIXED)), False),
    "bert": (lambda: tiny_bert(LAYERS), True),
    "mpnet": (tiny_mpnet, True),
    "modernbert": (tiny_modernbert, True),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


def saved(folder: Path, name: str) -> str:
    make, encoder = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return str(save(make(), folder, encoder))


def tokens_of(backbone: Backbone, count: int = 12) -> list[list[int]]:
    return encode(backbone.tokenizer, tiny_texts(count, seed=3, shortest=2, longest=18), "{text}", CONTEXT).ids


@pytest.mark.parametrize("top", [1, 3, LAYERS])
@pytest.mark.parametrize("name", MODELS)
def test_stored_states_give_what_the_whole_model_gives(tmp_path, name, top):
    sides = ["right", "left"] if name in ("llama", "gpt2", "gemma3") else ["right"]
    for side in sides:
        spec = ModelSpec(saved(tmp_path / "m", name), precision="fp32", padding=side)
        backbone = own_backbone(spec)
        cut = find_cut(backbone, None, top)
        assert (cut.first, cut.depth) == (LAYERS - top, LAYERS)
        ids = tokens_of(backbone)
        # stored from batches of other sizes than those that they are read in
        states = states_of(backbone, cut, False, ids, 40)
        starts = [sum(map(len, ids[:item])) for item in range(len(ids))]
        hollow = hollowed(backbone, cut, trained=True)
        entrance = entrance_of(hollow, cut)
        mine = [0, 5, 7]
        filled, mask = pad([ids[item] for item in mine], backbone.pad_id, backbone.pads_left)
        given = torch.zeros((len(mine), filled.shape[1], backbone.hidden))
        for row, item in enumerate(mine):
            given[row, mask[row].bool()] = states[starts[item] : starts[item] + len(ids[item])]
        with torch.no_grad():
            wanted = backbone.hidden_states(filled, mask)[mask.bool()]
            entrance.states = given
            found = hollow.hidden_states(filled, mask)[mask.bool()]
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        assert check_cut(backbone, cut, filled, mask, bf16=False) <= 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_the_lower_layers_hold_no_weights_and_the_upper_ones_are_copies(tmp_path, name):
    backbone = own_backbone(ModelSpec(saved(tmp_path / "m", name), precision="fp32"))
    cut = find_cut(backbone, None, 1)
    hollow = hollowed(backbone, cut, trained=True)
    below = hollow.model.get_submodule(cut.blocks)[: cut.first]
    assert sum(value.numel() for value in below.parameters()) == 0
    for mine, theirs in zip(cut.upper(hollow.model), cut.upper(backbone.model), strict=True):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert one.data_ptr() != other.data_ptr()
            assert torch.equal(one, other)
    shared = hollowed(backbone, cut, trained=False)
    assert {value.data_ptr() for value in shared.model.parameters()} <= {
        value.data_ptr() for value in backbone.model.parameters()
    }


def test_the_final_norm_is_above_and_the_embedding_is_not(tmp_path):
    names = {"llama": ("norm",), "gpt2": ("ln_f",), "bert": (), "mpnet": (), "modernbert": ("final_norm",)}
    for name, after in names.items():
        cut = find_cut(own_backbone(ModelSpec(saved(tmp_path / name, name), precision="fp32")), None, 2)
        assert cut.after == after, name


def test_an_early_exit_and_a_cut_together(tmp_path):
    spec = ModelSpec(saved(tmp_path / "m", "llama"), precision="fp32", layer=3)
    backbone = own_backbone(spec)
    cut = find_cut(backbone, spec.layer, 2)
    assert (cut.first, cut.depth, cut.after) == (1, 3, ())
    filled, mask = pad(tokens_of(backbone, 3), backbone.pad_id, False)
    assert check_cut(backbone, cut, filled, mask, bf16=False) == 0


def test_bf16_states_are_bf16(tmp_path):
    backbone = own_backbone(ModelSpec(saved(tmp_path / "m", "gemma3"), precision="bf16"))
    cut = find_cut(backbone, None, 2)
    filled, mask = pad(tokens_of(backbone, 3), backbone.pad_id, False)
    assert lower_states(backbone, cut, filled, mask, bf16=True).dtype == torch.bfloat16
    assert check_cut(backbone, cut, filled, mask, bf16=True) <= 2e-2


def test_more_layers_than_there_are(tmp_path):
    backbone = own_backbone(ModelSpec(saved(tmp_path / "m", "bert"), precision="fp32"))
    with pytest.raises(ModelError, match="more than the 4 blocks"):
        find_cut(backbone, None, 5)


def test_shared_blocks_cannot_be_split(tmp_path):
    config = AlbertConfig(**COMMON, embedding_size=16, pad_token_id=0)
    folder = save(AlbertModel(config, add_pooling_layer=False), tmp_path / "m", encoder=True)
    with pytest.raises(ModelError, match="no list of 4 blocks that run one after the other; leave `layers` out"):
        find_cut(own_backbone(ModelSpec(str(folder), precision="fp32")), None, 2)


def test_a_model_whose_blocks_talk_past_the_hidden_states_is_refused(tmp_path):
    backbone = own_backbone(ModelSpec(saved(tmp_path / "m", "llama"), precision="fp32"))
    cut = find_cut(backbone, None, 2)

    class Talks(torch.nn.Module):
        """Wraps a block: the first one leaves a note, all of them add it."""

        def __init__(self, block: torch.nn.Module, number: int, note: dict[str, Any]) -> None:
            super().__init__()
            self.block, self.number, self.note = block, number, note

        def forward(self, hidden_states, **named):
            if self.number == 0:
                self.note["mean"] = hidden_states.mean()
            return self.block(hidden_states + self.note["mean"], **named)

    note = {"mean": torch.tensor(0.0)}
    for number, block in enumerate(backbone.model.layers):
        backbone.model.layers[number] = Talks(block, number, note)
    filled, mask = pad(tokens_of(backbone, 3), backbone.pad_id, False)
    with pytest.raises(ModelError, match=r"differ by .* set `prefix_cache: false`"):
        check_cut(backbone, cut, filled, mask, bf16=False)


def test_a_block_that_needs_another_one_is_refused(tmp_path):
    backbone = own_backbone(ModelSpec(saved(tmp_path / "m", "llama"), precision="fp32"))
    cut = find_cut(backbone, None, 2)
    first, third = backbone.model.layers[0], backbone.model.layers[2]
    third.neighbour = [first]
    third.register_forward_pre_hook(lambda module, *_: module.neighbour[0].self_attn and None)
    filled, mask = pad(tokens_of(backbone, 3), backbone.pad_id, False)
    with pytest.raises(ModelError, match=r"do not run without those below \(AttributeError"):
        check_cut(backbone, cut, filled, mask, bf16=False)


def test_shards_hold_what_fits_longest_first(tmp_path):
    lengths = [3, 9, 1, 4, 4]
    shards = shards_of(lengths, row_bytes=10, shard_bytes=90)
    assert shards == [[1], [3, 4], [0, 2]]
    rows = {item: torch.full((lengths[item], 2), float(item)) for item in range(5)}
    for number, items in enumerate(shards):
        write_shard(tmp_path / shard_name(number), torch.cat([rows[item] for item in items]), "x")
    write_index(tmp_path / "index.safetensors", shards, lengths)
    stored = StoredStates(tmp_path)
    assert stored.lengths() == lengths
    assert all(torch.equal(stored[item], rows[item]) for item in range(5))
    chosen = stored.chosen([4, 2])
    assert chosen.lengths() == [4, 1]
    right, left = chosen.padded([0, 1], left=False), chosen.padded([0, 1], left=True)
    assert right[1, :, 0].tolist() == [2, 0, 0, 0]
    assert left[1, :, 0].tolist() == [0, 0, 0, 2]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_shard_is_mapped_not_read(tmp_path):
    states = torch.zeros((1_000_000, 32))  # 128 MB
    write_shard(tmp_path / shard_name(0), states, "x")
    write_index(tmp_path / "index.safetensors", [[0, 1]], [999_990, 10])
    del states
    before = _resident()
    stored = StoredStates(tmp_path)
    assert float(stored[1].sum()) == 0
    assert _resident() - before < 20_000_000


def _resident() -> int:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("this system does not say what a process holds")
    line = next(one for one in status.read_text("ascii").splitlines() if one.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
