"""`trimtab --help` against `python -c "import typer, rich"`: how long a command takes before it does anything.

    .venv/bin/python bench/startup.py [--quick]

Goal: at most 3 times as long; and neither torch nor transformers nor pydantic is loaded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from statistics import median

from demo import device

GOAL = 3.0
HEAVY = ("torch", "transformers", "pydantic")
COMMANDS = (["--help"], ["ls", "--help"], ["plan", "--help"], ["run", "--help"])


def wall_s(arguments: list[str]) -> float:
    """Run Python and return its wall time in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def heavy_of(arguments: list[str]) -> list[str]:
    """Return which heavy packages a command loads."""
    code = (
        f"import sys; from trimtab.cli import run_command; run_command({arguments!r}); "
        f"print([one for one in {HEAVY!r} if one in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stderr.splitlines()[-1].replace("'", '"'))


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="3 repetitions instead of 11")
    repetitions = 3 if parser.parse_args().quick else 11
    ours, plain = [], []
    wall_s(["-m", "trimtab", "--help"])  # byte code is written once
    for _ in range(repetitions):
        plain.append(wall_s(["-c", "import typer, rich"]))
        ours.append(wall_s(["-m", "trimtab", "--help"]))
    print("import typer, rich:", " ".join(f"{one:.3f}" for one in plain), "s")
    print("trimtab --help:    ", " ".join(f"{one:.3f}" for one in ours), "s")
    loaded = {" ".join(command): heavy_of(command) for command in COMMANDS}
    print("heavy packages loaded:", loaded)
    ratio = median(ours) / median(plain)
    met = ratio <= GOAL and not any(loaded.values())
    print(json.dumps({"bench": "startup", "value": round(ratio, 2), "goal": GOAL, "met": met, "device": device()}))


if __name__ == "__main__":
    main()
