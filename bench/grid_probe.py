"""A grid of probes from an empty store against two scripts written by hand (`plain_probe.py`).

    .venv/bin/python bench/grid_probe.py [--quick | --extrapolate]

2 weak x 1 strong x 6 methods x 3 seeds; supervisor 200, transfer 400, test 400 movie snippets; 8 strengths, 3 folds.
`plain` loads and runs the frozen model again for each of the 45 fits (6 weak, 36 students, 3 ceilings) and chooses each
fit's penalty by a loop over scikit-learn; `hand` keeps each model's activations, chooses a penalty once per labels and
loops over scikit-learn. Every side is a process of its own with the same threads, its start included. Goals: 15 times
less wall time than plain; never slower than hand, and a third of its time on the fits.

plain runs once, whole: over an hour on two cores; ours and hand three times, in turn. --quick takes 24, 48 and 48 items
and 2 of the strong model's 30 blocks, and extrapolates plain from one fit of each kind, each measured three times;
--extrapolate does so at the full size, in a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from demo import device

SEEDS = (0, 1, 2)
METHODS: list[Any] = [
    "naive",
    {"name": "confidence-25", "objective": {"confidence": {"alpha": 0.25}}},
    {"name": "confidence-50", "objective": {"confidence": {"alpha": 0.5}}},
    {"name": "confidence-75", "objective": {"confidence": {"alpha": 0.75}}},
    {"name": "confident-50", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"},
    {"name": "confident-75", "labels": [{"confident": {"keep": 0.75}}], "objective": "naive"},
]
BY_HAND = ({}, {"alpha": 0.25}, {"alpha": 0.5}, {"alpha": 0.75}, {"keep": 0.5}, {"keep": 0.75})
WEAK = (("minilm-l6", None), ("minilm-l6", 3))


@dataclass(frozen=True)
class Size:
    """How large the grid is."""

    supervisor: int = 200
    transfer: int = 400
    test: int = 400
    strong_layer: int | None = None


def ours(size: Size) -> dict[str, float]:
    """Run the grid as an experiment from an empty store."""
    import trimtab

    values = {
        "name": "grid-probe",
        "task": {"kind": "movie_sentiment", "supervisor": size.supervisor, "transfer": size.transfer,
                 "test": size.test},
        "weak": [_learner(*one) for one in WEAK],
        "strong": [_learner("smollm2-135m", size.strong_layer)],
        "methods": METHODS,
        "seeds": list(SEEDS),
        "controls": False,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as store:
        results = trimtab.run(trimtab.parse(values, Path()), store=store)
    seconds: dict[str, float] = {}
    for stage in results.data["stages"]:
        seconds[stage["kind"]] = seconds.get(stage["kind"], 0.0) + stage["seconds"]
    row = results.row("naive", "accuracy")
    return seconds | {"fits": seconds["select"] + seconds["train"], "student": row["student"]["mean"]}


def _learner(model: str, layer: int | None) -> dict[str, Any]:
    read = {"model": model, "precision": "fp32", "fit": "probe"}
    return read if layer is None else read | {"layer": layer}


class ByHand:
    """The same grid without Trimtab's engine; it only shares the reading of the data and where the weights lie."""

    def __init__(self, size: Size, cached: bool) -> None:
        """Read the data; `cached` keeps activations and penalties."""
        from plain_probe import FrozenModel

        from trimtab.fit.probe_settings import Probe
        from trimtab.models.source import locate
        from trimtab.tasks.movie_sentiment import MovieSentiment
        from trimtab.types import ModelSpec

        self.size, self.cached, self.fits_s = size, cached, 0.0
        items = MovieSentiment().read()
        self.strengths, self.folds = Probe().strengths, Probe().folds
        self.weak = [FrozenModel(Path(locate(ModelSpec(name)).place), False, layer) for name, layer in WEAK]
        self.strong = FrozenModel(Path(locate(ModelSpec("smollm2-135m")).place), True, size.strong_layer)
        self.texts, self.gold, self.prompt = items.texts, items.gold.astype(float), items.prompt
        self.activations: dict[Any, Any] = {}
        self.penalties: dict[Any, float] = {}
        self.pool = _permuted(len(items.ids), 0)[: size.supervisor + size.transfer + size.test]

    def splits(self, seed: int) -> tuple[Any, Any, Any]:
        """Return supervisor, transfer and test rows: the test items are the same for every seed."""
        trained = self.pool[: -self.size.test]
        order = trained[_permuted(len(trained), seed + 1)]
        return order[: self.size.supervisor], order[self.size.supervisor :], self.pool[-self.size.test :]

    def read(self, model: Any, rows: Any) -> Any:
        """Return activations: of the whole pool once, or of these rows again."""
        from plain_probe import plain_activations

        asked = self.pool if self.cached else rows
        if model not in self.activations or not self.cached:
            texts = [self.texts[i] for i in asked]
            told = [self.prompt.replace("{text}", one) for one in texts] if model.causal else texts
            self.activations[model] = plain_activations(model, told, 0)
        place = {row: i for i, row in enumerate(asked)}
        return self.activations[model][[place[row] for row in rows]]

    def fit(self, model: Any, rows: Any, told: Any, others: Any, method: dict[str, float], seed: int, key: Any) -> Any:
        """Read the activations, choose a penalty, fit a head; return the probabilities of class 1 of the others."""
        import numpy as np
        import torch
        from plain_probe import HandMethod, plain_predictions, plain_strength
        from threadpoolctl import threadpool_limits

        x = self.read(model, np.concatenate([rows, others]))
        began, threads = time.perf_counter(), torch.get_num_threads()
        torch.set_num_threads(1)  # like ours; small fits are slower on two, and much slower on a busy machine
        with threadpool_limits(1):
            if key not in self.penalties or not self.cached:
                self.penalties[key] = plain_strength(x[: len(rows)], told, self.strengths, self.folds, seed)
            found = plain_predictions(x[: len(rows)], told, x[len(rows) :], HandMethod(**method), self.penalties[key])
        torch.set_num_threads(threads)
        self.fits_s += time.perf_counter() - began
        return found

    def run(self) -> dict[str, float]:
        """Run every fit of the grid."""
        import numpy as np

        right = []
        for seed in SEEDS:
            supervisor, transfer, test = self.splits(seed)
            both = np.concatenate([transfer, test])
            for number, weak in enumerate(self.weak):
                predicted = self.fit(weak, supervisor, self.gold[supervisor], both, {}, seed, ("weak", number, seed))
                told = predicted[: len(transfer)]
                for i, method in enumerate(BY_HAND):
                    found = self.fit(self.strong, transfer, told, test, method, seed, ("told", number, seed))
                    if i == 0 and number == 0:
                        right.append(((found > 0.5) == self.gold[test]).mean())
            self.fit(self.strong, transfer, self.gold[transfer], test, {}, seed, ("gold", seed))
        return {"fits": self.fits_s, "student": float(np.mean(right))}

    def one_of_each(self) -> dict[str, float]:
        """Return the wall time of one weak fit and of one naive and one confidence student, medians of three."""
        import numpy as np

        times: dict[str, list[float]] = {"weak": [], "cross_entropy": [], "confidence": []}
        for seed in SEEDS:
            supervisor, transfer, test = self.splits(seed)
            both = np.concatenate([transfer, test])
            asked = {
                "weak": (self.weak[0], supervisor, self.gold[supervisor], both, {}),
                "cross_entropy": (self.strong, transfer, self.gold[transfer], test, {}),
                "confidence": (self.strong, transfer, self.gold[transfer], test, {"alpha": 0.5}),
            }
            for name, told in asked.items():
                began = time.perf_counter()
                self.fit(*told, seed, (name, seed))
                times[name].append(time.perf_counter() - began)
        seconds = {name: median(found) for name, found in times.items()}
        weak, scheduled = len(WEAK) * len(SEEDS), len(WEAK) * len(SEEDS) * sum("alpha" in one for one in BY_HAND)
        others = len(SEEDS) * (len(WEAK) * len(BY_HAND) + 1) - scheduled
        whole = weak * seconds["weak"] + scheduled * seconds["confidence"] + others * seconds["cross_entropy"]
        return {f"one_{name}": one for name, one in seconds.items()} | {"extrapolated": whole}


def _permuted(count: int, seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).permutation(count)


def measure(side: str, size: Size) -> dict[str, float]:
    """Run one side in a process of its own; return its wall time and what it says about itself."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--side", side, "--size", json.dumps(asdict(size))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1]) | {"wall": time.perf_counter() - began}
    load = os.getloadavg()[0]
    print(f"{side}: " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()) + f" (load {load:.1f})", flush=True)
    return found


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few items, a cut strong model, plain extrapolated")
    parser.add_argument("--extrapolate", action="store_true", help="full size, plain extrapolated")
    parser.add_argument("--side", choices=["ours", "hand", "plain", "one_of_each"], help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        size = Size(**json.loads(chosen.size))
        sides = {
            "ours": lambda: ours(size),
            "hand": lambda: ByHand(size, cached=True).run(),
            "plain": lambda: ByHand(size, cached=False).run(),
            "one_of_each": lambda: ByHand(size, cached=False).one_of_each(),
        }
        print(json.dumps(sides[chosen.side]()))
        return
    size = Size(24, 48, 48, strong_layer=2) if chosen.quick else Size()
    plain = measure("one_of_each" if chosen.quick or chosen.extrapolate else "plain", size)
    turns = [(measure("ours", size), measure("hand", size)) for _ in range(3)]
    wall, by_hand = (median(turn[i]["wall"] for turn in turns) for i in (0, 1))
    fits, fits_by_hand = (median(turn[i]["fits"] for turn in turns) for i in (0, 1))
    value = {
        "plain": round(plain.get("extrapolated", plain["wall"]) / wall, 2),
        "hand": round(by_hand / wall, 2),
        "hand_fits": round(fits_by_hand / fits, 2),
    }
    goal = {"plain": 15, "hand": 1, "hand_fits": 3}
    met = all(value[name] >= goal[name] for name in goal)
    print(f"times faster than plain {value['plain']}, than hand {value['hand']}, on its fits {value['hand_fits']}")
    print(json.dumps({"bench": "grid_probe", "value": value, "goal": goal, "met": met, "device": device()}))


if __name__ == "__main__":
    main()
