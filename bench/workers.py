"""Two worker processes against one, on independent stages of one thread each; and on the demo.

    .venv/bin/python bench/workers.py [--quick | --whole]

Eight stages of at least 3 s (quick: four of at least 1 s) multiply matrices on one thread. Start-up, which loads the
libraries, is measured apart: the stages wait for one warming-up stage per process. Goal: 1.7 times less time with two
workers, and the demo never slower with two than with one, 5 % taken as noise. The demo is taken with a quarter of its
items, two minutes a run; --whole takes all of them, which is an hour; --quick takes the recipe's tiny.yaml. All three
need the embedded assets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402  (after the number of threads is fixed)
from demo import device  # noqa: E402

from trimtab.executors.local import run_stages  # noqa: E402
from trimtab.executors.monitor import Monitor, Quiet, StageReport  # noqa: E402
from trimtab.stages.stage import Stage, order  # noqa: E402
from trimtab.store import Store  # noqa: E402
from trimtab.types import Progress  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 512
QUARTER = [word for name, count in (("task.supervisor", 500), ("task.transfer", 500), ("task.test", 500),
                                    ("split.pool", 1500)) for word in ("--set", f"{name}={count}")]  # fmt: skip
WARM = -1
"""Numbers from here down are warming-up stages."""


@dataclass(frozen=True)
class Multiply(Stage):
    """Multiplies matrices for a given number of products."""

    number: int
    products: int
    after: tuple[Stage, ...] = ()

    kind: ClassVar[str] = "multiply"

    @property
    def title(self) -> str:
        return "warm up" if self.number <= WARM else f"multiply {self.products} times"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        import torch  # noqa: F401  (what a worker of a real study has loaded)

        state = np.random.default_rng(abs(self.number)).normal(size=(WIDTH, WIDTH))
        for i in range(self.products):
            state = state @ state
            state /= np.abs(state).max()
            progress(i + 1, self.products)
        np.save(out / "state.npy", state)
        return {}


def products_for(seconds: float) -> int:
    """Return how many products take so long on one thread of this machine at present."""
    state = np.ones((WIDTH, WIDTH))
    times = []
    for _ in range(30):
        began = time.perf_counter()
        state = state @ state
        state /= np.abs(state).max()
        times.append(time.perf_counter() - began)
    return max(1, int(seconds / min(times)) + 1)


def stages_of(count: int, products: int, processes: int) -> list[Stage]:
    """Return the stages, and before them one for each process to warm up with."""
    warm = tuple(Multiply(WARM - i, max(1, products // 3)) for i in range(processes))
    return order(tuple(Multiply(i, products, warm) for i in range(count)))


class Clock(Quiet):
    """Notes when the last process was warm."""

    def __init__(self) -> None:
        self.warm_s = 0.0

    def finished(self, report: StageReport) -> None:
        """Hear how a stage ended."""
        if report.title == "warm up":
            self.warm_s = time.perf_counter()


Run = Callable[[Sequence[Stage], Store, Monitor], Any]


def timed(run: Run, stages: list[Stage]) -> tuple[float, float]:
    """Run stages in an empty store; return the seconds of start-up and those of the work."""
    with tempfile.TemporaryDirectory() as folder:
        clock, began = Clock(), time.perf_counter()
        run(stages, Store.open(Path(folder) / "store"), clock)
        return clock.warm_s - began, time.perf_counter() - clock.warm_s


def local(workers: int) -> Run:
    """Return a run with so many workers of this machine."""
    return lambda stages, store, monitor: run_stages(stages, store, workers, monitor)


def study(workers: int, recipe: Path, changes: Sequence[str]) -> float:
    """Return the seconds of a whole study from an empty store in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "trimtab", "run", str(recipe), "--workers", str(workers), "--json",
                   "--store", f"{folder}/store", "--runs", f"{folder}/runs", *changes]  # fmt: skip
        # as a user would run it: each process takes its own share of the cores
        free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        began = time.perf_counter()
        subprocess.run(command, env=free, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began


def in_turn(rounds: int, one: Callable[[], Any], other: Callable[[], Any]) -> tuple[list[Any], list[Any]]:
    """Measure two things in turn."""
    pairs = [(one(), other()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def seconds(times: Sequence[float]) -> str:
    """Return times as text."""
    return ", ".join(f"{one:.2f}" for one in times)


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer and shorter stages, the recipe's tiny.yaml once")
    parser.add_argument("--whole", action="store_true", help="the demo with all of its items")
    chosen = parser.parse_args()
    quick = chosen.quick
    count, rounds, recipe = (4, 3, "tiny.yaml") if quick else (8, 3, "full.yaml")
    products = products_for(1.0 if quick else 3.0)
    print(f"load before: {os.getloadavg()[0]:.2f}; {count} stages of {products} products of {WIDTH} x {WIDTH}")
    alone, beside = in_turn(
        rounds,
        partial(timed, local(1), stages_of(count, products, 1)),
        partial(timed, local(2), stages_of(count, products, 2)),
    )
    path = ROOT / "recipes" / "movie-sentiment" / recipe
    changes = () if quick or chosen.whole else QUARTER
    default, doubled = in_turn(1 if quick else 3, partial(study, 1, path, changes), partial(study, 2, path, changes))
    for name, times in (("one worker", alone), ("two workers", beside)):
        print(f"{name}: work {seconds([one[1] for one in times])} s; start-up {seconds([one[0] for one in times])} s")
    print(f"the demo ({recipe}): default {seconds(default)} s, two workers {seconds(doubled)} s")
    print(f"load after: {os.getloadavg()[0]:.2f}")
    ratio = median(one[1] for one in alone) / median(one[1] for one in beside)
    demo = median(doubled) / median(default)
    met = ratio >= 1.7 and demo <= 1.05
    found = {"bench": "workers", "value": round(ratio, 2), "goal": 1.7, "met": met, "demo": round(demo, 2)}
    print(json.dumps(found | {"device": device()}))


if __name__ == "__main__":
    main()
