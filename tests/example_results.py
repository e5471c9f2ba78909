"""Makes results as the comparison stage writes them, in every shape that a report must survive."""

from __future__ import annotations

from typing import Any

import numpy as np

METRICS = (("accuracy", True), ("auroc", True), ("ece", False))
STATUS_REASONS = {
    "ok": None,
    "imprecise": "The gap is 2.6 standard errors",
    "no_gap": "The ceiling is not shown to be better than the weak supervisor: ceiling - weak = +0.0020 "
    "[-0.0110, +0.0150], better is positive.",
    "reversed": "The ceiling is worse than the weak supervisor: ceiling - weak = -0.0300 [-0.0500, -0.0100], "
    "better is positive.",
    "self_pair": "Supervisor and student are the same model",
    "undefined": "No PGR for calibration by default",
}
EXPERIMENT = """name: movie-sentiment
task: {kind: movie_sentiment, supervisor: 2000, transfer: 2000, test: 2000}
split: {pool: 6000}
weak:
  - {model: minilm-l6, fit: probe}
strong:
  - {model: smollm2-135m, fit: probe}
methods:
  - naive
  - confidence: {alpha: 0.5}
  - {name: confident-half, labels: [{confident: {keep: 0.5}}], objective: naive}
seeds: [0, 1, 2, 3, 4]
controls: true
"""
TEXTS = (
    "a sly, quietly devastating little film that earns every one of its silences",
    "the plot has more holes than a colander and about as much warmth",
    "not that anyone would call it bad, but it is hard to remember an hour later",
    "you will laugh, you will groan, and you will be glad that it ends after eighty minutes",
    "a triumph of production design over anything resembling a story",
    "what might have been mawkish is instead tender, thanks to two remarkable performances",
)


def interval(mean: float, half: float = 0.016, method: str = "crossed", reason: str | None = None) -> dict[str, Any]:
    """Return an interval block of the given half width."""
    return {
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "level": 0.95,
        "method": method,
        "reason": reason,
    }


def gap_block(value: float, status: str = "ok") -> dict[str, Any]:
    """Return a PGR block; only `ok` and `imprecise` have a value."""
    reason = STATUS_REASONS[status]
    if status == "ok":
        return {"value": value, "low": value - 0.14, "high": value + 0.15, "status": status, "reason": reason}
    if status == "imprecise":
        return {"value": value, "low": value - 1.2, "high": value + 3.9, "status": status, "reason": reason}
    return {"value": None, "low": None, "high": None, "status": status, "reason": reason}


def curve(accuracy: float, slope: float, items: int = 2000) -> list[dict[str, float]]:
    """Return a calibration curve of 15 equal-mass bins."""
    confidence = np.linspace(0.52, 0.995, 15)
    found = np.clip(accuracy + slope * (confidence - confidence.mean()), 0, 1)
    wobble = 0.02 * np.sin(np.arange(15) * 2.1)
    return [
        {"n": items // 15, "confidence": float(c), "accuracy": float(np.clip(a + w, 0, 1))}
        for c, a, w in zip(confidence, found, wobble, strict=True)
    ]


def row(
    weak: str,
    strong: str,
    method: str,
    metric: str = "accuracy",
    higher: bool = True,
    *,
    scores: tuple[float, float, float] = (0.783, 0.827, 0.862),
    status: str = "ok",
    control: str | bool = False,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    part: str | None = None,
) -> dict[str, Any]:
    """Return one row of results."""
    low, middle, high = scores
    kind = "crossed" if len(seeds) > 1 else "items_only"
    reason = None if len(seeds) > 1 else "one seed: items only"
    versus = None
    if method != "naive" and not control:
        delta = middle - 0.827
        versus = {"delta": delta, "low": delta - 0.006, "high": delta + 0.006, "p": 0.04, "p_holm": 0.08}
    return {
        "key": "/".join(filter(None, [weak, strong, method, metric, part])),
        "weak": weak, "strong": strong, "method": method, "chain": [weak, strong], "metric": metric,
        "higher_is_better": higher, "slice": part,
        "labels": labels(method, control, kind, reason),
        "truth": "oracle" if control in ("flipped_truth", "weak_on_truth") else "none",
        "control": control, "ceiling_kind": "plain", "n_test": 2000,
        "weak_score": interval(low, 0.018, kind, reason), "student": interval(middle, 0.016, kind, reason),
        "ceiling": interval(high, 0.015, kind, reason), "gap": interval(high - low, 0.021, kind, reason),
        "pgr": gap_block((middle - low) / (high - low), status),
        "vs_naive": versus,
        "agreement": {"when_weak_right": interval(0.918, 0.012, kind), "when_weak_wrong": interval(0.446, 0.03, kind)},
        "diagnostics": diagnostics(kind),
        "calibration": {"ece": interval(0.041, 0.009, kind), "weak_ece": interval(0.035, 0.009, kind),
                        "ceiling_ece": interval(0.029, 0.008, kind), "curve": curve(middle, 0.8),
                        "weak_curve": curve(low, 0.6), "ceiling_curve": curve(high, 0.95)},
        "per_seed": [
            {"seed": s, "weak": low + 0.003 * (s % 3 - 1), "student": middle + 0.004 * (s % 3 - 1),
             "ceiling": high - 0.002 * (s % 3 - 1),
             "predictions": {"weak": "a" * 64, "student": "b" * 64, "ceiling": "c" * 64}}
            for s in seeds
        ],
    }  # fmt: skip


def diagnostics(kind: str) -> dict[str, Any]:
    """Return what explains a row."""
    errors = {"inherited": 0.446, "corrected": 0.554, "new": 0.082, "phi": 0.388, "kappa": 0.385,
              "phi_against_flipped": 0.121}  # fmt: skip
    misfit = {"misfit": 0.061, "gain": 0.048, "gain_less_misfit": -0.013}
    return {
        "errors": {name: interval(mean, 0.03, kind) for name, mean in errors.items()},
        "misfit": {unit: {name: interval(mean, 0.01, kind) for name, mean in misfit.items()}
                   for unit in ("nats", "squared")},
    }  # fmt: skip


def labels(method: str, control: str | bool, kind: str, reason: str | None) -> dict[str, Any]:
    """Return what a row's student was told."""
    given = interval(0.786, 0.02, kind, reason)
    told = {
        "flipped_truth": {"weak": 0, "kept": 2000, "gold": 2000, "weak_accuracy": None, "kept_accuracy": given},
        "weak_on_truth": {"weak": 0, "kept": 2000, "gold": 2000, "weak_accuracy": None,
                          "kept_accuracy": interval(1.0, 0.0, kind, reason)},
        "zero_shot": {"weak": 0, "kept": 0, "gold": 0, "weak_accuracy": None, "kept_accuracy": None},
    }  # fmt: skip
    half = method == "confident-half"
    kept = {"kept": 1000, "kept_accuracy": interval(0.894, 0.017, kind, reason)} if half else {}
    weak = {"weak": 2000, "kept": 2000, "gold": 0, "weak_accuracy": given, "kept_accuracy": given}
    return told.get(str(control), weak | kept)


CONTROLS = (("flipped_truth", 0.829), ("weak_on_weak", 0.783), ("weak_on_truth", 0.786), ("zero_shot", 0.642))


def control_rows(weak: str, strong: str, metric: str, higher: bool, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return the four controls of a pair."""
    made = []
    for name, score in CONTROLS:
        student = weak if name.startswith("weak_on") else strong
        made.append(row(weak, student, name, metric, higher, scores=(0.783, score, 0.862), control=name, seeds=seeds))
    return made


def example(key: str, number: int, student_right: bool, weak_right: bool, classes: int = 2) -> dict[str, Any]:
    """Return one item on which student and supervisor are shown."""
    gold = number % classes
    other = (gold + 1) % classes

    def belief(right: bool, sure: float) -> list[float]:
        rest = (1 - sure) / (classes - 1)
        return [sure if c == (gold if right else other) else rest for c in range(classes)]

    return {
        "key": key, "id": f"movie-{1000 + number}", "text": TEXTS[number % len(TEXTS)], "gold": gold,
        "weak": belief(weak_right, 0.61), "student": belief(student_right, 0.88),
        "student_right": student_right, "weak_right": weak_right,
    }  # fmt: skip


def learning_curve(weak: str, strong: str, kind: str = "crossed") -> dict[str, Any]:
    """Return both curves of a pair, and what the weak labels are worth."""
    shares = ((250, 0.79, 0.80), (500, 0.81, 0.825), (1000, 0.82, 0.845), (2000, 0.827, 0.862))
    return {
        "weak": weak, "strong": strong, "metric": "accuracy", "higher_is_better": True,
        "sizes": [size for size, _, _ in shares], "weak_score": interval(0.783, 0.018, kind),
        "weak_labels": [interval(score, 0.016, kind) for _, score, _ in shares],
        "ground_truth": [interval(score, 0.015, kind) for _, _, score in shares],
        "worth": {"of": 2000, "value": 536.0, "low": 390.0, "high": 870.0, "status": "ok", "reason": None,
                  "level": 0.95, "method": kind},
    }  # fmt: skip


def overlap(weak: str, strong: str) -> dict[str, Any]:
    """Return the overlap density of a pair."""
    found = {"overlap": 0.342, "hard": 0.227, "easy": 0.431, "certainty_parted": 0.78, "likeness_parted": 0.69}
    return {"weak": weak, "strong": strong} | {name: interval(one, 0.021, "crossed_t") for name, one in found.items()}


def results(
    *,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    methods: tuple[str, ...] = ("naive", "confidence", "confident-half"),
    weak: tuple[str, ...] = ("minilm-l6",),
    strong: tuple[str, ...] = ("smollm2-135m",),
    metrics: tuple[tuple[str, bool], ...] = METRICS,
    statuses: tuple[str, ...] = ("ok",),
    classes: tuple[str, ...] = ("negative", "positive"),
    controls: bool = True,
) -> dict[str, Any]:
    """Return a whole result; `statuses` are dealt out to the methods in turn."""
    rows: list[dict[str, Any]] = []
    for w in range(len(weak)):
        for s in range(len(strong)):
            for metric, higher in metrics:
                base = (0.783, 0.827, 0.862) if higher else (0.094, 0.041, 0.038)
                lift = 0.012 * s - 0.01 * w if higher else 0.0
                for m, method in enumerate(methods):
                    scores = (base[0] - 0.01 * w, base[1] + lift + 0.002 * m, base[2] + 0.014 * s)
                    status = statuses[m % len(statuses)] if higher else "undefined"
                    rows.append(
                        row(
                            f"w{w}",
                            f"s{s}",
                            method,
                            metric,
                            higher,
                            scores=scores,
                            status=status,
                            seeds=seeds,
                        )
                    )
                if controls and higher:
                    made = control_rows(f"w{w}", f"s{s}", metric, higher, seeds)
                    rows += [made_row for made_row in made if s == 0 or made_row["strong"] == f"s{s}"]
    first = rows[0]["key"]
    shown = [(True, False), (False, True), (False, False)]
    models = {
        f"{side}{i}": {
            "model": name, "revision": "3f1a9c0" + "0" * 33, "layer": None, "fit": "probe", "precision": "bf16",
            "params": 22_713_216 * (1 + i) if side == "w" else 134_515_008 * 3**i,
            "pooling": "mean" if side == "w" else "last",
            "template": "{text}" if side == "w" else "Review: {text}\nSentiment of the review (positive or negative):",
            "strength": {"chosen": 0.01, "at_edge": side == "s" and i == 0},
        }
        for side, names in (("w", weak), ("s", strong))
        for i, name in enumerate(names)
    }  # fmt: skip
    return {
        "schema": 1, "study": "generalize", "name": "movie-sentiment", "seeds": list(seeds),
        "interval": {"level": 0.95, "method": "crossed" if len(seeds) > 1 else "items_only", "draws": 2000},
        "splits": {
            "supervisor": {"n": 2000, "digest": "5" * 64}, "transfer": {"n": 2000, "digest": "6" * 64},
            "test": {"n": 2000, "digest": "7" * 64}, "dropped": {"duplicate": 31, "group": 0, "near_duplicate": 74},
            "truncated": {"w0": 0, "s0": 12},
        },
        "models": models, "rows": rows,
        "curves": [learning_curve(f"w{w}", f"s{s}") for w in range(len(weak)) for s in range(len(strong))],
        "overlap_density": [overlap(f"w{w}", f"s{s}") for w in range(len(weak)) for s in range(len(strong))],
        "aggregates": [
            {"over": "pairs", "method": m, "metric": metric, "n_ok": 5, "n_no_gap": 1,
             "median_pgr": {"value": 0.55, "low": 0.45, "high": 0.65, "reason": None}}
            for metric in ("accuracy", "auroc") for m in methods
        ] if len(strong) * len(weak) > 1 else [],
        "warnings": [{"code": "strength_at_edge", "row": first,
                      "text": "The chosen strength 0.01 is the weakest of the grid."}],
        "stages": [
            {"kind": kind, "digest": f"{n:064x}", "seconds": seconds, "cached": cached}
            for n, (kind, seconds, cached) in enumerate(
                [("embed", 61.3, True), ("embed", 142.8, True), *[("train", 1.7, False)] * 15,
                 *[("label", 0.1, False)] * 5,
                 *[("predict", 0.2, False)] * 15, ("compare", 4.2, False)])
        ],
        "task": {"kind": "movie_sentiment", "classes": list(classes),
                 "prompt": "Review: {text}\nSentiment of the review:",
                 "notes": ["Items with |mean rating| up to 0.5 are left out; this threshold uses ground truth.",
                           "These snippets are public, so models may have seen them in pretraining."]},
        "versions": {"trimtab": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.3.4"},
        "device": "cpu, 2 threads, native bf16", "experiment": EXPERIMENT,
        "control_sentence": "Naive (0.827) is not distinguishable from ground truth with random flips at the weak "
        "labels' accuracy (0.829; difference -0.002 [-0.011, 0.007]): averaging out label noise explains this much.",
        "examples": [
            example(first, n, *shown[n % 3], classes=len(classes)) for n in range(18)
        ],
    }  # fmt: skip
