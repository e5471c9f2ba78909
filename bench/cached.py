"""A finished run of at least 100 stages again: milliseconds a stage above start-up.

    .venv/bin/python bench/cached.py [--quick]

Start-up is the same command on a study of a handful of stages, finished as well. Goal: at most 20 ms a stage.
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
from typing import Any

from demo import device

GOAL_MS = 20.0
TINY = {"strengths": [1.0], "folds": 2, "kind": "probe", "max_steps": 50}


def study(seeds: int, controls: bool) -> dict[str, Any]:
    """Return a study on made-up sentences with a model that is made here; the more seeds, the more stages."""
    return {
        "name": f"cached-{seeds}",
        "task": {"kind": "synthetic", "items": 400, "supervisor": 40, "transfer": 40, "test": 40},
        "weak": [{"model": "model", "layer": 1, "fit": TINY}],
        "strong": [{"model": "model", "fit": TINY}],
        "methods": ["naive"],
        "seeds": list(range(seeds)),
        "controls": controls,
        "metrics": ["accuracy"],
    }


def timed(folder: Path, name: str) -> tuple[float, int]:
    """Run a study and return its wall time in seconds and its number of stages."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "trimtab", "run", f"{name}.yaml", "--store", "store", "--runs", "runs", "--json"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    return seconds, len(json.loads(done.stdout)["stages"])


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="3 repetitions instead of 7")
    repetitions = 3 if parser.parse_args().quick else 7
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from tiny_models import tiny_encoder

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tiny_encoder(folder / "model")
        for name, value in (("small", study(1, False)), ("large", study(10, True))):
            (folder / f"{name}.yaml").write_text(json.dumps(value))
            timed(folder, name)
        small, large = [], []
        for _ in range(repetitions):
            small.append(timed(folder, "small"))
            large.append(timed(folder, "large"))
    few, many = small[0][1], large[0][1]
    print(f"{few} stages:", " ".join(f"{seconds:.3f}" for seconds, _ in small), "s")
    print(f"{many} stages:", " ".join(f"{seconds:.3f}" for seconds, _ in large), "s")
    difference = median(one for one, _ in large) - median(one for one, _ in small)
    value = 1000 * difference / (many - few)
    met = value <= GOAL_MS and many >= 100
    print(json.dumps({"bench": "cached", "value": round(value, 2), "goal": GOAL_MS, "met": met, "device": device()}))


if __name__ == "__main__":
    main()
