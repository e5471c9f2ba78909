"""Where a model's weights are and which exact bytes they are, found without torch or transformers."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimtab.errors import ModelError, did_you_mean
from trimtab.home import home
from trimtab.types import ModelSpec

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_IDENTITY_SUFFIXES = {".safetensors", ".gguf", ".json", ".txt", ".model", ".jinja", ".py"}
FEATURE_SUFFIXES = (".parquet", ".safetensors")
_PICKLE_SUFFIXES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}


@dataclass(frozen=True)
class Source:
    """A place that transformers can load from."""

    kind: Literal["asset", "folder", "gguf", "hub", "features"]
    place: str
    """Local folder, file of features, or hub id."""
    gguf_file: str | None = None
    """Name of the GGUF file inside the folder."""
    revision: str | None = None
    """Hub revision as the user wrote it."""


def locate(spec: ModelSpec) -> Source:
    """Return where the weights of a model are: asset, local folder, GGUF file, table of features or hub id, tried in
    this order.

    Raises ModelError where a local path is absent or holds no safe weights; AssetError where an asset is not
    there.
    """
    from trimtab import assets

    if spec.model in assets.ASSETS:
        return Source("asset", str(assets.path(spec.model)))
    local = Path(spec.model).expanduser()
    if local.is_dir():
        return _from_folder(local.absolute())
    if local.is_file():
        if local.suffix in FEATURE_SUFFIXES and not (local.parent / "config.json").is_file():
            return Source("features", str(local.absolute()))
        if local.suffix != ".gguf":
            raise ModelError(
                f"{local} is a file but not a .gguf file; name its folder, a GGUF file, a table of features "
                f"({', '.join(FEATURE_SUFFIXES)}) or a hub id"
            )
        return Source("gguf", str(local.absolute().parent), local.name)
    if _looks_like_a_path(spec.model):
        raise ModelError(f"the model path {local} does not exist; check it, or name a hub id or an asset")
    if not _HUB_ID.fullmatch(spec.model):
        hint = did_you_mean(spec.model, assets.ASSETS)
        raise ModelError(f"{spec.model!r} is neither a file, a folder nor a hub id (owner/name).{hint}")
    return Source("hub", spec.model, revision=spec.revision)


def _looks_like_a_path(model: str) -> bool:
    return (
        model.startswith(("/", "./", "../", "~", ".\\"))
        or model.endswith((".gguf", "/", *FEATURE_SUFFIXES))
        or model.count("/") > 1
    )


def _from_folder(folder: Path) -> Source:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    suffixes = {Path(name).suffix for name in names}
    if ".safetensors" not in suffixes:
        quantised = [name for name in names if name.endswith(".gguf")]
        if len(quantised) == 1:
            return Source("gguf", str(folder), quantised[0])
        if quantised:
            raise ModelError(f"{folder} holds {len(quantised)} GGUF files; name the one to load: {_some(quantised)}")
        if suffixes & _PICKLE_SUFFIXES:
            raise ModelError(
                f"{folder} holds pickled weights only, which can run code when they are opened and are never "
                "read; convert them to safetensors where you trust them: "
                "AutoModel.from_pretrained(...).save_pretrained(...)"
            )
        raise ModelError(f"{folder} holds no weights: wanted *.safetensors or one *.gguf, found {_some(names)}")
    if "config.json" not in names:
        adapter = " (it is an adapter: name the folder of the whole model)" if "adapter_config.json" in names else ""
        raise ModelError(f"{folder} has weights but no config.json{adapter}; save model and config together")
    return Source("folder", str(folder))


def _some(names: list[str], most: int = 6) -> str:
    """Return some of a folder's file names."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + rest


def fingerprint(spec: ModelSpec) -> str:
    """Return what identifies the bytes of weights, tokenizer and configuration.

    Assets answer for themselves; local files give a sha256, remembered by size and modification time; a hub
    id gives the commit that its revision resolves to, from the local cache if it is there, else from the hub.

    Raises ModelError where a hub id cannot be resolved.
    """
    from trimtab import assets

    source = locate(spec)
    if source.kind == "asset":
        return f"asset:{assets.fingerprint(spec.model)}"
    if source.kind == "hub":
        return f"hub:{source.place}@{hub_commit(source)}"
    if source.kind == "features":
        return f"features:{_remembered_sha256([Path(source.place)])[0]}"
    folder = Path(source.place)
    files = sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.suffix in _IDENTITY_SUFFIXES)
    if source.gguf_file:
        files = [folder / source.gguf_file]
    digests = _remembered_sha256(files)
    lines = "".join(f"{file.name}\0{digest}\n" for file, digest in zip(files, digests, strict=True))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def loaded_bytes(spec: ModelSpec) -> int:
    """Return about how much memory the weights take in fp32, from the size of their files.

    A model that is still on the hub is taken for one of a billion weights.
    """
    source = locate(spec)
    if source.kind == "hub":
        return 4_000_000_000
    if source.kind == "features":
        return 4 * Path(source.place).stat().st_size
    folder = Path(source.place)
    if source.gguf_file:
        return 8 * (folder / source.gguf_file).stat().st_size  # about 4 bits a weight
    stored = sum(one.stat().st_size for one in folder.glob("*.safetensors"))
    return 2 * stored  # at least 16 bits a weight


def hub_commit(source: Source) -> str:
    """Return the commit hash that a hub revision stands for; the local cache is asked before the hub."""
    if source.revision and _COMMIT.fullmatch(source.revision):
        return source.revision
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    cached = try_to_load_from_cache(source.place, "config.json", revision=source.revision)
    if isinstance(cached, str):
        return Path(cached).parent.name
    try:
        commit = HfApi().model_info(source.place, revision=source.revision).sha
    except (HTTPError, OSError) as error:
        from trimtab import assets

        raise ModelError(
            f"the model {source.place!r} (revision {source.revision or 'main'}) is neither in the local "
            f"cache nor reachable on the hub ({type(error).__name__}: {str(error).splitlines()[0]}); check its "
            f"name and the connection, or use a local folder.{did_you_mean(source.place, assets.ASSETS)}"
        ) from error
    if commit is None:
        raise ModelError(f"the hub gives no commit for {source.place!r}; set `revision` to a commit hash")
    return commit


def _remembered_sha256(files: list[Path]) -> list[str]:
    """Return each file's sha256; a file whose size and modification time are known is not read again."""
    notebook = home() / "fingerprints.json"
    known = _read_notebook(notebook)
    digests, changed = [], False
    for file in files:
        stat = file.stat()
        key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in known:
            with file.open("rb") as handle:
                known[key] = hashlib.file_digest(handle, "sha256").hexdigest()
            changed = True
        digests.append(known[key])
    if changed:
        notebook.parent.mkdir(parents=True, exist_ok=True)
        temporary = notebook.with_name(f"{notebook.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(known, indent=0, sort_keys=True), encoding="utf-8")
        temporary.replace(notebook)
    return digests


def _read_notebook(notebook: Path) -> dict[str, str]:
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        # only a memory of hashes: a damaged one is made again from the files
        return {}
