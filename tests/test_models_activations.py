"""Activations: independent of padding and batches, equal to the plain model, resumable with identical
bits."""

from __future__ import annotations

import hashlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from killed_children import run_child
from tiny_models import HIDDEN, LAYERS, tiny_causal, tiny_encoder, tiny_texts
from transformers import AutoModel, AutoTokenizer

from trimtab.errors import ModelError
from trimtab.models.activations import activations
from trimtab.models.load import forget, own_backbone, shared_backbone
from trimtab.types import ModelSpec

PROMPT = "review : {text} the answer :"
KINDS = ("llama", "gpt2", "bert")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    made = {kind: tiny_causal(root / kind, kind) for kind in ("llama", "gpt2")}
    return made | {
        "bert": tiny_encoder(root / "bert"),
        "no_pad": tiny_causal(root / "no_pad", "gpt2", padding=False),
    }


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


def one_by_one(folder: Path, texts: list[str], encoder: bool, layer: int = -1, mean: bool = False):
    """Return the hidden states of unpadded texts from the plain model: what everything else must equal."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        filled = text if encoder else PROMPT.replace("{text}", text)
        with torch.no_grad():
            states = model(torch.tensor([tokenizer(filled)["input_ids"]]), output_hidden_states=True).hidden_states
        rows.append((states[layer][0].mean(0) if mean else states[layer][0, -1]).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("batch_tokens", [1, 150, 4096])
def test_padding_and_batches_change_nothing(folders, kind, padding, batch_tokens):
    texts = tiny_texts(24)
    spec = ModelSpec(str(folders[kind]), padding=padding, batch_tokens=batch_tokens, precision="fp32")
    found = activations(spec, texts, PROMPT)
    wanted = one_by_one(folders[kind], texts, kind == "bert", mean=kind == "bert")
    assert found.values.dtype == np.float32
    assert np.abs(wanted).max() > 0.5
    np.testing.assert_allclose(found.values, wanted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["right", "left"])
def test_the_other_pooling(folders, kind, padding):
    texts = tiny_texts(12)
    pooling = "last" if kind == "bert" else "mean"
    spec = ModelSpec(str(folders[kind]), pooling=pooling, padding=padding, precision="fp32")
    wanted = one_by_one(folders[kind], texts, kind == "bert", mean=kind != "bert")
    np.testing.assert_allclose(activations(spec, texts, PROMPT).values, wanted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", range(LAYERS + 1))
def test_an_early_exit_is_the_hidden_state_of_the_whole_model(folders, kind, layer):
    texts = tiny_texts(8)
    spec = ModelSpec(str(folders[kind]), layer=layer, padding="left", precision="fp32")
    wanted = one_by_one(folders[kind], texts, kind == "bert", layer=layer, mean=kind == "bert")
    np.testing.assert_allclose(activations(spec, texts, PROMPT).values, wanted, atol=1e-4)


def test_an_early_exit_does_not_run_or_keep_the_blocks_above(folders):
    backbone = own_backbone(ModelSpec(str(folders["llama"]), layer=1, precision="fp32"))
    ran = []
    for number, block in enumerate(backbone.model.layers):
        block.mlp.register_forward_hook(lambda *_, number=number: ran.append(number))
    backbone.hidden_states(torch.tensor([[4, 5]]), torch.ones(1, 2, dtype=torch.long))
    assert ran == [0]
    assert len(backbone.model.layers) == 2


@pytest.mark.parametrize("layer", [-1, LAYERS + 1])
def test_a_layer_that_does_not_exist(folders, layer):
    with pytest.raises(ModelError, match=f"layer {layer} does not exist.*0 to {LAYERS}"):
        activations(ModelSpec(str(folders["bert"]), layer=layer), ["good"], PROMPT)


def test_a_tokenizer_without_padding_token_and_texts_that_hold_the_stand_in(folders):
    texts = ["good [EOS] bad [EOS]", "the film is very very very very long", "[EOS]"]
    spec = ModelSpec(str(folders["no_pad"]), precision="fp32")
    np.testing.assert_allclose(
        activations(spec, texts, PROMPT).values, one_by_one(folders["no_pad"], texts, False), atol=1e-4
    )


def test_bf16_is_near_fp32(folders):
    texts = tiny_texts(16)
    spec = ModelSpec(str(folders["llama"]), precision="fp32")
    full = activations(spec, texts, PROMPT).values
    half = activations(replace(spec, precision="bf16"), texts, PROMPT).values
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.2 * np.abs(full).max()


def test_long_texts_are_cut_and_counted(folders):
    texts = ["good " * 200, "bad", "film " * 57]
    found = activations(ModelSpec(str(folders["llama"]), precision="fp32"), texts, "{text} :")
    assert found.truncated == 1
    assert found.tokens == 64 + 2 + 58
    assert activations(ModelSpec(str(folders["llama"]), max_tokens=10), texts, "{text} :").truncated == 2


def test_no_text_gives_no_row(folders):
    assert activations(ModelSpec(str(folders["llama"])), [], PROMPT).values.shape == (0, HIDDEN)


def test_progress_counts_items_and_tokens(folders):
    calls = []
    found = activations(
        ModelSpec(str(folders["llama"])), tiny_texts(600), PROMPT,
        lambda done, total, *, tokens=0: calls.append((done, total, tokens)),
    )  # fmt: skip
    assert calls[-1] == (600, 600, found.tokens)
    done = [one for one, _, _ in calls]
    assert done[0] == 0 and done == sorted(done) and {256, 512, 600} <= set(done)


def test_the_order_of_texts_does_not_matter(folders):
    texts = tiny_texts(40)
    spec = ModelSpec(str(folders["llama"]), precision="fp32")
    forward, backward = activations(spec, texts, PROMPT), activations(spec, texts[::-1], PROMPT)
    np.testing.assert_allclose(forward.values, backward.values[::-1], atol=1e-4)


def test_a_backbone_is_loaded_once_until_its_files_change(folders, tmp_path):
    folder = tiny_causal(tmp_path / "model")
    spec = ModelSpec(str(folder))
    first = shared_backbone(spec)
    assert shared_backbone(replace(spec, template="x {text}", batch_tokens=7)) is first
    assert shared_backbone(replace(spec, layer=1)) is not first
    first = shared_backbone(spec)
    tiny_causal(folder, seed=1)
    assert shared_backbone(spec) is not first
    forget()


def test_shards_are_read_again_and_never_for_something_else(folders, tmp_path):
    texts, spec = tiny_texts(300), ModelSpec(str(folders["llama"]), precision="fp32")
    first = activations(spec, texts, PROMPT, work=tmp_path / "work").values
    files = sorted((tmp_path / "work").iterdir())
    assert [file.name for file in files] == ["shard-00000.safetensors", "shard-00001.safetensors"]
    kept = {file: file.stat().st_mtime_ns for file in files}
    assert activations(spec, texts, PROMPT, work=tmp_path / "work").values.tobytes() == first.tobytes()
    assert {file: file.stat().st_mtime_ns for file in files} == kept
    other = activations(replace(spec, layer=1), texts, PROMPT, work=tmp_path / "work").values
    assert np.abs(other - first).max() > 0.1


def embed_in_child(folder: str, work: str, out: str, kill_after: int) -> None:
    torch.set_num_threads(1)

    def progress(done: int, total: int, *, tokens: int = 0) -> None:
        if kill_after and done >= kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    found = activations(ModelSpec(folder, precision="fp32"), tiny_texts(1200), PROMPT, progress, Path(work))
    Path(out).write_bytes(found.values.tobytes())


def test_killed_and_resumed_equals_undisturbed(folders, tmp_path):
    folder = str(folders["gpt2"])
    for kill_after in (257, 513, 1025):  # in the piece after one that is kept
        assert (
            run_child(embed_in_child, folder, str(tmp_path / "work"), str(tmp_path / "out"), kill_after)
            == -signal.SIGKILL
        )
    assert len(list((tmp_path / "work").iterdir())) == 4
    # a piece that was being written when the process died
    (tmp_path / "work" / "shard-00004.safetensors.99.tmp").write_bytes(b"half")
    assert run_child(embed_in_child, folder, str(tmp_path / "work"), str(tmp_path / "out"), 0) == 0
    assert run_child(embed_in_child, folder, str(tmp_path / "other"), str(tmp_path / "plain"), 0) == 0
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("out", "plain")}
    assert len(digests) == 1
