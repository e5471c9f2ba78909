"""Where weights are, what identifies them, and how unusable ones are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_causal, tiny_encoder
from transformers import AutoConfig, T5Config

from trimtab.errors import ModelError
from trimtab.models import precision
from trimtab.models.load import is_causal, own_backbone
from trimtab.models.precision import cpu_has_bf16, cuda_capability, device_class, resolved_precision
from trimtab.models.source import fingerprint, hub_commit, locate
from trimtab.types import ModelSpec


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def model(tmp_path) -> Path:
    return tiny_causal(tmp_path / "model")


def test_planning_needs_no_torch(model):
    code = (
        "import sys\nfrom trimtab.types import ModelSpec\nfrom trimtab.models.source import fingerprint\n"
        "from trimtab.models.precision import resolved_precision, device_class\n"
        f"spec = ModelSpec({str(model)!r}); fingerprint(spec); resolved_precision(spec); device_class()\n"
        "print(sorted({'torch', 'transformers', 'pandas', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_folder_is_found(model):
    assert (locate(ModelSpec(str(model))).kind, locate(ModelSpec(str(model))).place) == ("folder", str(model))


def test_a_hub_id_is_not_a_path():
    assert locate(ModelSpec("owner/name", revision="main")).kind == "hub"
    assert hub_commit(locate(ModelSpec("owner/name", revision="a" * 40))) == "a" * 40
    assert fingerprint(ModelSpec("owner/name", revision="a" * 40)) == f"hub:owner/name@{'a' * 40}"


@pytest.mark.parametrize("name", ["/no/such/model", "./model", "../model", "~/no-such-model", "weights.gguf", "a/b/c"])
def test_a_path_that_does_not_exist(name):
    with pytest.raises(ModelError, match="does not exist"):
        locate(ModelSpec(name))


def test_a_strange_name():
    with pytest.raises(ModelError, match="neither a file, a folder nor a hub id"):
        locate(ModelSpec("what is this?"))


def test_a_hub_id_that_cannot_be_reached():
    with pytest.raises(ModelError, match="neither in the local cache nor reachable"):
        fingerprint(ModelSpec("no-such-owner-of-ours/no-such-model"))


def test_a_folder_without_weights(tmp_path, model):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no weights.*found nothing"):
        locate(ModelSpec(str(tmp_path / "empty")))
    (model / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        locate(ModelSpec(str(model)))


def test_pickled_weights_are_never_read(model):
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pickled weights only.*convert them to safetensors"):
        locate(ModelSpec(str(model)))


def test_several_gguf_files_are_not_guessed_between(tmp_path):
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="2 GGUF files"):
        locate(ModelSpec(str(tmp_path)))
    found = locate(ModelSpec(str(tmp_path / "b.gguf")))
    assert (found.kind, found.place, found.gguf_file) == ("gguf", str(tmp_path), "b.gguf")
    (tmp_path / "a.gguf").unlink()
    assert locate(ModelSpec(str(tmp_path))).gguf_file == "b.gguf"


def test_a_text_file_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match=r"not a \.gguf file"):
        locate(ModelSpec(str(tmp_path / "notes.txt")))


def test_missing_weights_are_not_made_up(model):
    weights = load_file(model / "model.safetensors")
    save_file({name: value for name, value in weights.items() if ".1.mlp." not in name}, model / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(ModelError, match=r"3 weights of LlamaModel are missing"):
        own_backbone(ModelSpec(str(model)))


def test_weights_of_another_width_are_refused(model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 40}))
    with pytest.raises(ModelError):
        own_backbone(ModelSpec(str(model)))


def test_damaged_weights_are_refused(model):
    (model / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(ModelError, match="cannot be loaded"):
        own_backbone(ModelSpec(str(model)))


def test_a_model_without_tokenizer_is_refused(model):
    for file in model.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        own_backbone(ModelSpec(str(model)))


def test_only_language_models_of_one_stack(tmp_path):
    with pytest.raises(ModelError, match="encoder-decoder"):
        is_causal(T5Config())
    with pytest.raises(ModelError, match="not a language model"):
        is_causal(AutoConfig.for_model("vit"))
    assert is_causal(AutoConfig.for_model("llama"))
    assert not is_causal(AutoConfig.for_model("bert"))
    assert is_causal(AutoConfig.for_model("bert", is_decoder=True))


def test_the_fingerprint_follows_bytes_and_not_places(tmp_path, model):
    first = fingerprint(ModelSpec(str(model)))
    shutil.copytree(model, tmp_path / "copy")
    assert fingerprint(ModelSpec(str(tmp_path / "copy"))) == first
    (tmp_path / "copy" / "README.md").write_text("a note")
    assert fingerprint(ModelSpec(str(tmp_path / "copy"))) == first
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        content = (tmp_path / "copy" / name).read_bytes()
        (tmp_path / "copy" / name).write_bytes(content + b" ")
        assert fingerprint(ModelSpec(str(tmp_path / "copy"))) != first
        (tmp_path / "copy" / name).write_bytes(content)
        assert fingerprint(ModelSpec(str(tmp_path / "copy"))) == first


def test_the_fingerprint_is_remembered_and_a_damaged_memory_is_made_again(tmp_path, model):
    first = fingerprint(ModelSpec(str(model)))
    notebook = tmp_path / "home" / "fingerprints.json"
    # a planted value shows that the file is not read again
    known = dict.fromkeys(json.loads(notebook.read_text()), "0" * 64)
    notebook.write_text(json.dumps(known))
    assert fingerprint(ModelSpec(str(model))) != first
    notebook.write_text("{ damaged")
    assert fingerprint(ModelSpec(str(model))) == first


def test_precision_follows_the_processor(tmp_path, monkeypatch):
    def cpu(text: str) -> bool:
        (tmp_path / "cpuinfo").write_text(text)
        return cpu_has_bf16(tmp_path / "cpuinfo")

    assert cpu("flags\t\t: fpu avx512f avx512_bf16\n")
    assert cpu("flags : amx_tile amx_bf16\n")
    assert cpu("Features : fp asimd bf16\n")
    assert not cpu("flags : fpu avx2 avx512f\nmodel name : bf16\n")
    assert not cpu_has_bf16(tmp_path / "absent")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_class() == "cpu"
    for native in (True, False):
        monkeypatch.setattr(precision, "cpu_has_bf16", lambda native=native: native)
        assert resolved_precision(ModelSpec("x")) == ("bf16" if native else "fp32")
        assert resolved_precision(ModelSpec("x", precision="fp32")) == "fp32"


def test_hidden_gpus_do_not_count(monkeypatch):
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert cuda_capability() == 0


DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGetAttribute(int *value, int what, int device) { *value = what == 75 ? 8 + device : 6; return 0; }
"""


def test_the_weakest_gpu_decides_and_the_driver_is_asked(tmp_path, monkeypatch):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a driver with")
    (tmp_path / "driver.c").write_text(DRIVER)
    library = str(tmp_path / "libcuda.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(tmp_path / "driver.c")], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    precision._lowest_capability.cache_clear()
    assert cuda_capability() == 8.6, "of 8.6 and 9.6"
    precision._lowest_capability.cache_clear()


def test_an_encoder_without_pooler_is_loaded(tmp_path):
    assert not own_backbone(ModelSpec(str(tiny_encoder(tmp_path / "encoder")))).causal
