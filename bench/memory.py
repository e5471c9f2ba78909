"""How much more memory ten times the rows take: a whole study on a streamed task, from file to results.

    .venv/bin/python bench/memory.py [--quick]

A tiny model made here (2 layers, hidden 64), rows of 12 tokens; a third of the rows each to supervise, to transfer and
to test; probes of two kinds on one layer, one method, one seed. Every study is a process of its own; its peak is the
kernel's high-water mark of resident memory. Goal: less than 10 bytes a row, between 100,000 and 1,000,000 rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from demo import device

GOAL = 10.0
WORDS, ROW, CHUNK = 5_000, 12, 20_000
HIDDEN, INNER = 64, 128


def write_model(folder: Path) -> Path:
    """Write a random two-layer Llama whose tokenizer knows the made-up words; it takes no torch, slow to load."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir()
    vocabulary = {"[UNK]": 0, "[BOS]": 1, "[EOS]": 2, "[PAD]": 3} | {f"w{i}": i + 4 for i in range(WORDS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.save(str(folder / "tokenizer.json"))
    names = {"unk_token": "[UNK]", "bos_token": "[BOS]", "eos_token": "[EOS]", "pad_token": "[PAD]"}
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), "utf-8")
    kind = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "dtype": "float32",
        "tie_word_embeddings": True,
    }
    shape = {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": 2, "num_attention_heads": 4}
    tokens = {"vocab_size": len(vocabulary), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    config = {**kind, **shape, **tokens, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(llama_weights(len(vocabulary)), folder / "model.safetensors", {"format": "pt"})
    return folder


def llama_weights(vocabulary: int) -> dict[str, np.ndarray]:
    """Return normal weights of deviation 0.02 under transformers' names; norms are 1."""
    generator = np.random.default_rng(0)
    block = {f"self_attn.{name}_proj": (HIDDEN, HIDDEN) for name in "qkvo"}
    block |= {"mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER)}
    shapes = {"embed_tokens": (vocabulary, HIDDEN)}
    shapes |= {f"layers.{i}.{name}": shape for i in range(2) for name, shape in block.items()}
    norms = ["norm", *(f"layers.{i}.{name}_layernorm" for i in range(2) for name in ("input", "post_attention"))]
    found = {name: generator.normal(0, 0.02, shape) for name, shape in shapes.items()}
    found |= {name: np.ones(HIDDEN) for name in norms}
    return {f"model.{name}.weight": values.astype(np.float32) for name, values in found.items()}


def write_rows(path: Path, rows: int) -> Path:
    """Write rows of random words; the label is whether more of them come from the first half of the vocabulary."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(0)
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            words = generator.integers(WORDS, size=(min(CHUNK, rows - start), ROW))
            texts = [" ".join(f"w{word}" for word in row) for row in words.tolist()]
            labels = np.where((words < WORDS // 2).sum(1) > ROW // 2, "yes", "no").tolist()
            writer.write_table(pa.table({"text": texts, "label": labels}, schema))
    return path


def study(folder: Path, rows: int) -> None:
    """Run the study; print the peak of this process in bytes."""
    from trimtab.executors.memory import peak_bytes
    from trimtab.experiment import parse
    from trimtab.study import run

    model, third = str(folder / "model"), rows // 3 - rows // 100
    fit = {"kind": "probe", "folds": 2}
    sizes = {"supervisor": third, "transfer": third, "test": third}
    read = {"model": model, "layer": 1, "pooling": "mean", "batch_tokens": 4096, "precision": "fp32"}
    values = {
        "name": "memory",
        "task": {"kind": "stream", "path": str(folder / f"{rows}.parquet"), "classes": ["no", "yes"], **sizes},
        "weak": [read | {"fit": fit | {"strengths": [10.0]}}],
        "strong": [read | {"fit": fit | {"strengths": [0.001, 0.1]}}],
        "methods": ["naive"],
        "seeds": [0],
        "controls": False,
    }
    with tempfile.TemporaryDirectory(dir=folder) as store:
        results = run(parse(values, folder), store=store)
        for stage in results.data["stages"]:
            print(f"  {stage['seconds']:7.1f} s  {stage['peak_memory_bytes'] / 1e6:6.1f} MB  {stage['title']}")
        row = results.row("naive")
        print(
            f"  weak {row['weak_score']['mean']:.3f} student {row['student']['mean']:.3f}, {row['n_test']:,} test items"
        )
        print(max(one["peak_memory_bytes"] for one in results.data["stages"]), peak_bytes())


def peak_of(folder: Path, rows: int) -> int:
    """Return the peak memory of a study of so many rows, in bytes."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--study", str(rows), "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *shown, last = done.stdout.splitlines()
    peak = max(map(int, last.split()))
    print(
        f"{rows:,} rows: peak {peak / 1e6:.1f} MB in {time.perf_counter() - began:.1f} s", *shown, sep="\n", flush=True
    )
    return peak


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="20,000 and 200,000 rows, once each")
    parser.add_argument("--study", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.study:
        study(given.folder, given.study)
        return
    sizes, turns = ((20_000, 200_000), 1) if given.quick else ((100_000, 1_000_000), 3)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder / "model")
        for rows in sizes:
            write_rows(folder / f"{rows}.parquet", rows)
        peaks = [[peak_of(folder, rows) for rows in sizes] for _ in range(turns)]
    growth = [(large - small) / (sizes[1] - sizes[0]) for small, large in peaks]
    print("bytes a row:", " ".join(f"{one:.2f}" for one in growth))
    value = median(growth)
    print(
        json.dumps({"bench": "memory", "value": round(value, 2), "goal": GOAL, "met": value < GOAL, "device": device()})
    )


if __name__ == "__main__":
    main()
