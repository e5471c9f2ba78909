"""Models from which guides are made: shallow cuts, and models made from nothing."""

from __future__ import annotations

import pytest
import torch
from tiny_models import LAYERS, tiny_causal, tiny_encoder
from transformers import AutoModelForCausalLM

from trimtab.errors import ModelError
from trimtab.fit.generative import read_texts
from trimtab.models.fresh import fresh_model
from trimtab.models.fresh_settings import Fresh
from trimtab.models.shallow import shallow
from trimtab.schedules.generative import Generative
from trimtab.types import ModelSpec

TEXTS = ["a good film, really good!", "a dull plot and bad acting", "très ordinaire \N{SNOWMAN}"] * 5


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_cut_gives_the_hidden_state_of_its_last_block_to_norm_and_head(tmp_path, kind):
    folder = tiny_causal(tmp_path / "model", kind)
    model, _ = shallow(ModelSpec(str(folder)), 2)
    model.save_pretrained(tmp_path / "cut")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "cut").eval()
    whole = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        # hidden_states[2] is what block 3 would read: without norm, which comes after the last block
        state = whole(ids, output_hidden_states=True).hidden_states[2]
        norm = whole.model.norm if kind == "llama" else whole.transformer.ln_f
        wanted = whole.lm_head(norm(state))
        torch.testing.assert_close(again(ids).logits, wanted)
    assert again.config.num_hidden_layers == 2


def test_a_whole_cut_is_the_model(tmp_path):
    folder = tiny_causal(tmp_path / "model")
    model, _ = shallow(ModelSpec(str(folder)), LAYERS)
    whole = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(found, whole[name]) for name, found in model.state_dict().items())


@pytest.mark.parametrize("blocks", [0, LAYERS + 1])
def test_a_cut_that_the_model_has_not_is_refused(tmp_path, blocks):
    with pytest.raises(ModelError, match=f"blocks is {blocks}; .* has {LAYERS} blocks, so wanted 1 to {LAYERS}"):
        shallow(ModelSpec(str(tiny_causal(tmp_path / "model"))), blocks)


def test_an_encoder_has_nothing_to_say(tmp_path):
    with pytest.raises(ModelError, match="is an encoder"):
        shallow(ModelSpec(str(tiny_encoder(tmp_path / "model"))), 1)


def test_a_model_from_nothing_reads_every_text_and_is_the_same_again(tmp_path):
    shape = Fresh(blocks=1, hidden=32, vocabulary=300)
    model, tokenizer = fresh_model(TEXTS, shape, 64)
    assert all(tokenizer.decode(tokenizer(text)["input_ids"]) == text for text in [*TEXTS, "words never seen: \t%"])
    state = torch.random.get_rng_state()
    again, _ = fresh_model(TEXTS, shape, 64)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's random numbers are used up
    other, _ = fresh_model(TEXTS, Fresh(1, 32, 300, seed=1), 64)
    weights = [one.model.layers[0].mlp.up_proj.weight for one in (model, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    model.save_pretrained(tmp_path / "m")
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(AutoModelForCausalLM.from_pretrained(tmp_path / "m")(ids).logits, model(ids).logits)


@pytest.mark.parametrize("wrong", [{"blocks": 0}, {"hidden": 33}, {"vocabulary": 10}])
def test_a_shape_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be .* found {next(iter(wrong.values()))}"):
        Fresh(**wrong)


def test_a_guide_learns_that_texts_end_where_batches_are_filled_with_the_ending_token(tmp_path):
    model, tokenizer = fresh_model(TEXTS, Fresh(blocks=1, hidden=32, vocabulary=300), 64)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    texts = [text + tokenizer.eos_token for text in TEXTS[:2]] * 8
    spec = ModelSpec(str(tmp_path / "m"), precision="fp32")
    read_texts(spec, texts, Generative(8, 1e-2, 8), tmp_path / "work", tmp_path / "out", lambda *_, **__: None)
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])

    def ending(folder):
        with torch.no_grad():
            logits = AutoModelForCausalLM.from_pretrained(folder).eval()(ids).logits
        return logits[0, -1].log_softmax(-1)[tokenizer.eos_token_id].item()

    assert ending(tmp_path / "out") > ending(tmp_path / "m") + 1
