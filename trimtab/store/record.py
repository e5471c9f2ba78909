"""Records in JSON: the manifest of an artifact and the schema of a store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from trimtab.digest import file_digest
from trimtab.errors import StoreError

SCHEMA = 1
MANIFEST = "manifest.json"
RECORDED = ("kind", "digest", "title", "settings", "inputs", "facts", "seconds", "finished", "machine", "files")
"""What every manifest says, among more."""


def write_json(path: Path, value: Any) -> None:
    """Write JSON to `path` so that a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # other machines may share the folder
    with temporary.open("w", encoding="utf-8") as handle:
        handle.write(json_text(value))
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what the stage that made an artifact said about it."""
    return read_record(folder / MANIFEST, f"delete the folder {folder} and run again")["facts"]


def json_text(value: Any) -> str:
    """Return the JSON of a record as it is written."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def read_record(path: Path, remedy: str) -> dict[str, Any]:
    """Return the content of a manifest or of store.json.

    Raises StoreError where it is damaged or written by a newer version.
    """
    return record_in(path.read_bytes(), str(path), remedy)


def record_in(content: bytes, place: str, remedy: str) -> dict[str, Any]:
    """Return the record that the bytes found at a place hold; see `read_record`."""
    try:
        record = json.loads(content.decode("utf-8"))
    except ValueError:
        raise StoreError(f"{place} is damaged: it is not JSON in UTF-8; {remedy}") from None
    schema = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(schema, int):
        raise StoreError(f"{place} is damaged: it has no schema number; {remedy}")
    if schema > SCHEMA:
        raise StoreError(f"{place} has schema {schema}, this version reads up to {SCHEMA}; upgrade trimtab or {remedy}")
    return record


def check_manifest(manifest: dict[str, Any], place: str, remedy: str) -> dict[str, Any]:
    """Return the manifest.

    Raises StoreError where it does not say what every manifest says.
    """
    missing = [name for name in RECORDED if name not in manifest]
    if missing:
        raise StoreError(f"{place} does not say {missing[0]!r}; {remedy}")
    return manifest


def damage_of(folder: Path) -> str | None:
    """Return what is wrong with an artifact's files, and what to do, by size and sha256; none where they are whole."""
    manifest = read_record(folder / MANIFEST, f"delete the folder {folder} and run again")
    for name, recorded in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing; delete the folder {folder} and run again"
        if path.stat().st_size != recorded["bytes"] or file_digest(path) != recorded["sha256"]:
            return f"{path} is not as it was written; delete the folder {folder} and run again"
    return None


def files_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return sha256 and size in bytes of every file below a folder, by its path inside."""
    return {
        path.relative_to(folder).as_posix(): {"sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
