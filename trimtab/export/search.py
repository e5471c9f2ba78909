"""A search study's answers as files for other tools: METHOD-seedN.parquet has id, prompt, text and what judges said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import StoreError
from trimtab.store import Store
from trimtab.store.record import damage_of


def export_answers(results: Mapping[str, Any], folder: Path, store: Store) -> list[Path]:
    """Write the judged answers of every method and seed into `folder`; return the files.

    Raises StoreError before anything is written where an artifact is not as it was made.
    """
    names = [f"{row['method']}-seed{seed}" for row in results["rows"] for seed in results["seeds"]]
    places = [store.folder("judge", digest) for digest in results["digests"]["judged"]]
    prompts = store.folder("prompts", results["digests"]["prompts"])
    for place in (prompts, *places):
        damage = damage_of(place)
        if damage:
            raise StoreError(damage)
    return [_write(place, prompts, folder / f"{name}.parquet") for name, place in zip(names, places, strict=True)]


def _write(judged: Path, prompts: Path, path: Path) -> Path:
    import pyarrow.parquet as pq

    asked = pq.read_table(prompts / "prompts.parquet")
    texts = dict(zip(asked["id"].to_pylist(), asked["text"].to_pylist(), strict=True))
    table = pq.read_table(judged / "judged.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        pq.write_table(table.add_column(1, "prompt", [[texts[one] for one in table["id"].to_pylist()]]), handle)
    return path
