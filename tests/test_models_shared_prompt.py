"""A beginning that all inputs share is run once and changes nothing; compiled blocks change nothing either."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_causal, tiny_encoder, tiny_texts

from trimtab.models.activations import activations
from trimtab.models.load import forget, shared_backbone
from trimtab.models.shared_prompt import LEAST_TOKENS, common_beginning, shared_prompt
from trimtab.models.text import encode
from trimtab.types import ModelSpec

LONG = "the answer : review " * 6 + "{text} the answer :"
SHORT = "review : {text} the answer :"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("shared")
    folders = {kind: tiny_causal(root / kind, kind) for kind in ("llama", "gpt2")}
    return folders | {"bert": tiny_encoder(root / "bert")}


def test_common_beginning_by_hand() -> None:
    assert common_beginning([[1, 2, 3, 4], [1, 2, 9], [1, 2, 3, 7]]) == 2
    assert common_beginning([[1, 2, 3], [1, 2, 3]]) == 2, "one token of its own remains for each"
    assert common_beginning([[1, 2], [1, 2, 3]]) == 1
    assert common_beginning([[4], [5]]) == 0


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("layer", [None, 1])
def test_sharing_gives_what_whole_inputs_give(
    folders: dict[str, Path], kind: str, layer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(str(folders[kind]), layer=layer, precision="fp32", batch_tokens=64)
    texts = tiny_texts(40, seed=3)
    backbone = shared_backbone(spec)
    ids = encode(backbone.tokenizer, texts, LONG, 512).ids
    found = shared_prompt(backbone, ids, "last")
    assert found is not None and found.tokens == common_beginning(ids) >= LEAST_TOKENS
    shared = activations(spec, texts, LONG)
    monkeypatch.setattr("trimtab.models.activations.shared_prompt", lambda *_: None)
    whole = activations(spec, texts, LONG)
    assert shared.tokens == whole.tokens
    np.testing.assert_allclose(shared.values, whole.values, atol=1e-4)
    assert not np.array_equal(shared.values[0], shared.values[1])


def test_where_nothing_can_be_shared(folders: dict[str, Path]) -> None:
    def of(spec: ModelSpec, prompt: str, pooling: str) -> object:
        backbone = shared_backbone(spec)
        return shared_prompt(backbone, encode(backbone.tokenizer, tiny_texts(5), prompt, 512).ids, pooling)

    llama = ModelSpec(str(folders["llama"]))
    assert of(llama, SHORT, "last") is None, "too short"
    assert of(llama, LONG, "mean") is None, "the beginning's own states are read"
    assert of(replace(llama, padding="left"), LONG, "last") is None
    assert of(ModelSpec(str(folders["bert"])), LONG, "last") is None, "an encoder's beginning sees the text"


def test_a_model_that_does_not_give_the_same_is_run_whole(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(str(folders["llama"]))
    backbone = shared_backbone(spec)
    ids = encode(backbone.tokenizer, tiny_texts(5), LONG, 512).ids
    monkeypatch.setattr("trimtab.models.shared_prompt._is_exact", lambda *_: False)
    assert shared_prompt(backbone, ids, "last") is None


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "layer"), [("llama", None), ("llama", 1), ("bert", None)])
@pytest.mark.filterwarnings("default")
def test_compiled_blocks_give_the_same(folders: dict[str, Path], kind: str, layer: int | None) -> None:
    spec = ModelSpec(str(folders[kind]), layer=layer, precision="fp32")
    texts = tiny_texts(20, seed=5)
    plain = activations(spec, texts, SHORT).values
    forget()
    compiled = activations(replace(spec, compile=True), texts, SHORT).values
    np.testing.assert_allclose(compiled, plain, atol=1e-3)
