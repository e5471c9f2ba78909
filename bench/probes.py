"""500 cross-entropy and 500 confidence fits of probes on one matrix, one thread, against independent float64 solvers.

    .venv/bin/python bench/probes.py [--quick]

2,000 items of 576 activations with a decaying spectrum; 4 label sets (for confidence: 4 values of alpha) x 5 seeds x
(3 folds x 8 strengths of the default grid + 1 final fit). Cross-entropy is checked against scipy's L-BFGS, confidence
against the same 300 steps written down again below in numpy with two columns and full sorting; both on a sample of
the fits. Goal: 10 s and 20 s on an idle core, probabilities equal within 1e-4. --quick takes one seed: 100 fits each.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from demo import device
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from trimtab.fit.bulk import Problem
from trimtab.fit.probe import Fitted, fit_probes
from trimtab.fit.probe_settings import Probe
from trimtab.fit.select import fold_of_items
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive

ITEMS, HIDDEN, SETS = 2000, 576, 4
ALPHAS = (0.25, 0.5, 0.75, 0.9)
GOAL = {"cross_entropy_s": 10.0, "confidence_s": 20.0, "largest_difference": 1e-4}
FIT = Probe()


def example() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return float32 activations whose spectrum decays, away from 0 and of unequal scales, and sets of soft labels."""
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(HIDDEN, HIDDEN)))[0]
    latent = rng.normal(size=(ITEMS, HIDDEN)) * np.arange(1, HIDDEN + 1) ** -0.8
    x = (latent @ turned + rng.normal(size=HIDDEN)) * np.exp(rng.normal(size=HIDDEN))
    truth = latent[:, :40] @ rng.normal(size=40) * 1.5
    odds = [truth + rng.normal(size=ITEMS) * (0.5 + 0.5 * i) for i in range(SETS)]
    return x.astype(np.float32), [np.stack([1 - p, p], 1) for p in (1 / (1 + np.exp(-one)) for one in odds)]


def problems(seeds: int, labels: list[np.ndarray], confident: bool) -> list[Problem]:
    """Return the fits of all label sets or alphas and seeds: folds x strengths, and one on all items."""
    made = []
    for seed in range(seeds):
        fold = fold_of_items(np.arange(ITEMS), FIT.folds, seed)
        sides = [np.flatnonzero(fold != one) for one in range(FIT.folds)]
        for number in range(SETS):
            objective = Confidence(ALPHAS[number]) if confident else Naive()
            q = labels[0 if confident else number]
            asked = [(rows, strength) for rows in sides for strength in FIT.strengths]
            asked.append((np.arange(ITEMS), FIT.strengths[(seed + number) % len(FIT.strengths)]))
            made += [Problem(rows, q[rows], np.ones(len(rows)), objective, one, FIT) for rows, one in asked]
    return made


def standardised(x: np.ndarray, problem: Problem) -> np.ndarray:
    """Return a problem's own items, each activation with mean 0 and deviation 1."""
    own = x[problem.rows].astype(np.float64)
    return (own - own.mean(0)) / own.std(0)


def by_scipy(x: np.ndarray, problem: Problem) -> np.ndarray:
    """Return the probability of class 1 by L-BFGS in the one slope v = w_1 - w_0, where |W|^2 = |v|^2 / 2."""
    z, q = standardised(x, problem), problem.labels[:, 1]

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        odds = z @ v[:-1] + v[-1]
        slope = (1 / (1 + np.exp(-odds)) - q) / len(q)
        value = np.mean(np.logaddexp(0, odds) - q * odds) + problem.strength / 4 * v[:-1] @ v[:-1]
        return value, np.append(z.T @ slope + problem.strength / 2 * v[:-1], slope.sum())

    options = {"maxiter": 20_000, "maxfun": 40_000, "gtol": 1e-9, "ftol": 1e-15, "maxcor": 20}
    v = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x
    return 1 / (1 + np.exp(-(z @ v[:-1] + v[-1])))


def by_steps(x: np.ndarray, problem: Problem) -> np.ndarray:
    """Return the probability of class 1 after the stated steps with the student's own balanced labels, two columns."""
    z, q, objective = standardised(x, problem), problem.labels, problem.objective
    assert isinstance(objective, Confidence)
    left, singular, _ = np.linalg.svd(z, full_matrices=False)
    features = np.column_stack([left * singular, np.ones(len(z))])
    penalty = np.append(np.full(len(singular), problem.strength), 0)[:, None]
    bound = 0.5 * np.append(singular**2 / len(z), 1)[:, None] + penalty
    exact = q.mean(0) * len(q)
    positives = int(exact[1]) + int(exact[1] % 1 > exact[0] % 1)
    current = ahead = np.zeros((len(bound), 2))
    age = 0
    for step in range(FIT.steps):
        logits = features @ ahead
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        sure = np.zeros_like(q)
        order = np.argsort(logits[:, 0] - logits[:, 1], kind="stable")
        sure[order[:positives], 1] = 1
        sure[order[positives:], 0] = 1
        w = objective.alpha * min(1.0, step / (FIT.steps - 1) / objective.warm_up)
        gradient = features.T @ (p - (1 - w) * q - w * sure) / len(q) + penalty * ahead
        following = ahead - gradient / bound
        age = 0 if (gradient * (following - current)).sum() > 0 else age + 1
        ahead = following + age / (age + 3) * (following - current)
        current = following
    logits = features @ current
    return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))


def difference(x: np.ndarray, problem: Problem, fitted: Fitted | Exception, expected: np.ndarray) -> float:
    """Return the largest difference of two fits' probabilities over the items that they learned from."""
    if isinstance(fitted, Exception):
        raise fitted
    return float(np.abs(fitted.head.probabilities(x[problem.rows])[:, 1] - expected).max())


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="100 fits each, checked on fewer of them")
    quick = parser.parse_args().quick
    seeds, every = (1, 12) if quick else (5, 7)
    x, labels = example()
    kinds = {
        "cross_entropy": (problems(seeds, labels, confident=False), by_scipy, "scipy L-BFGS"),
        "confidence": (problems(seeds, labels, confident=True), by_steps, "the steps again in numpy"),
    }
    fit_probes(x, kinds["cross_entropy"][0][-1:])  # load the libraries
    ours: dict[str, list[float]] = {name: [] for name in kinds}
    theirs: dict[str, list[float]] = {name: [] for name in kinds}
    largest = 0.0
    for turn in range(3):
        for name, (asked, reference, words) in kinds.items():
            began, used = time.perf_counter(), time.process_time()
            fits = fit_probes(x, asked)
            ours[name].append(time.perf_counter() - began)
            cpu = time.process_time() - used
            sample = range(turn, len(asked), 3 * every)
            began = time.perf_counter()
            expected = [reference(x, asked[one]) for one in sample]
            theirs[name].append((time.perf_counter() - began) / len(sample) * len(asked))
            found = [difference(x, asked[i], fits[i], one) for i, one in zip(sample, expected, strict=True)]
            largest = max(largest, *found)
            print(
                f"{name}: {len(asked)} fits {ours[name][-1]:.1f} s ({cpu:.1f} s of the processor); {words}: "
                f"{theirs[name][-1]:.0f} s at the pace of {len(sample)} fits; largest difference {max(found):.1e}",
                flush=True,
            )
    value = {f"{name}_s": round(sorted(times)[1], 1) for name, times in ours.items()}
    share = 0.2 if quick else 1.0
    met = largest <= GOAL["largest_difference"] and all(value[name] <= share * GOAL[name] for name in value)
    goal = {name: share * seconds if name in value else seconds for name, seconds in GOAL.items()}
    for name, times in theirs.items():
        print(f"{name}: {sorted(times)[1] / sorted(ours[name])[1]:.0f} times faster than {kinds[name][2]}")
    value["largest_difference"] = float(f"{largest:.1e}")
    print(json.dumps({"bench": "probes", "value": value, "goal": goal, "met": met, "device": device()}))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
