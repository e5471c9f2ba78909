"""The demo from an empty store, then again, then with another method: wall time, memory, what was computed.

    .venv/bin/python bench/demo.py [--quick]

Needs the embedded assets (`trimtab assets fetch minilm-l6 smollm2-135m vader`). Goal: 5 minutes on two idle cores with
native bf16, 3 GiB; a finished study again in under 3 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
METHODS = "methods=[naive, {confidence: {alpha: 0.25}}]"


def timed(arguments: list[str]) -> tuple[float, str]:
    """Run trimtab and return its wall time in seconds and its stdout; its progress stays visible."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "trimtab", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def device() -> str:
    """Return processor, cores and precision in words."""
    from trimtab.models.precision import cpu_has_bf16

    names = [one for one in Path("/proc/cpuinfo").read_text().splitlines() if one.startswith("model name")]
    kind = "native bf16" if cpu_has_bf16() else "fp32 (no native bf16)"
    return f"{names[0].partition(':')[2].strip() if names else 'CPU'}, {os.cpu_count()} cores, {kind}"


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the recipe's tiny.yaml")
    recipe = ROOT / "recipes" / "movie-sentiment" / ("tiny.yaml" if parser.parse_args().quick else "full.yaml")
    with tempfile.TemporaryDirectory() as folder:
        common = ["run", str(recipe), "--store", f"{folder}/store", "--runs", f"{folder}/runs", "--json"]
        first_s, first = timed(common)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        cached = [timed(common) for _ in range(3)]
        changed_s, changed = timed([*common, "--set", METHODS])
    again_s, again = sorted(cached)[1]
    results, repeated, other = (json.loads(text) for text in (first, again, changed))
    recomputed = sorted({one["title"] for one in other["stages"] if not one["cached"]})
    row = results["rows"][0]
    print(f"first run {first_s:.1f} s, peak memory {peak / 2**30:.2f} GiB, again {again_s:.2f} s (median of 3)")
    print(f"same numbers again: {repeated['rows'] == results['rows']}; all cached: "
          f"{all(one['cached'] for one in repeated['stages'])}")  # fmt: skip
    print(f"with another method {changed_s:.1f} s; computed anew: {', '.join(recomputed)}")
    print(f"naive PGR {row['pgr']['value']} [{row['pgr']['low']}, {row['pgr']['high']}] {row['pgr']['status']}")
    print(results["control_sentence"])
    met = first_s <= 300 and peak <= 3 * 2**30 and again_s < 3 and repeated["rows"] == results["rows"]
    print(json.dumps({"bench": "demo", "value": round(first_s, 1), "goal": 300, "met": met, "device": device()}))


if __name__ == "__main__":
    main()
