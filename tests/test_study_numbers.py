"""Every number of a results.json follows from the stored predictions: recomputed here from the definitions alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest, norm, rankdata
from scipy.stats import t as student_t
from tiny_study import study

from trimtab.experiment import parse
from trimtab.results import Results
from trimtab.study import run

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("numbers")
    values = study(folder, SEEDS, items=800, split={"pool": 700})
    values["task"]["test"] = 400
    experiment = parse(values, folder)
    return run(experiment, store=folder / "store"), folder / "store"


class Stored:
    """Predictions and ground truth straight from the parquet files."""

    def __init__(self, store: Path) -> None:
        self.store = store
        (data,) = (store / "data").glob("*/gold.parquet")
        gold = pq.read_table(data).to_pydict()
        self.gold_of = dict(zip(gold["id"], gold["gold"], strict=True))
        items = pq.read_table(data.with_name("items.parquet")).to_pydict()
        self.test = [i for i, role in zip(items["id"], items["role"], strict=True) if role == "test"]
        self.gold = np.array([self.gold_of[i] for i in self.test])

    def probabilities(self, digest: str) -> np.ndarray:
        table = pq.read_table(self.store / "predict" / digest / "predictions.parquet").to_pydict()
        row = {i: n for n, (i, s) in enumerate(zip(table["id"], table["split"], strict=True)) if s == "test"}
        return np.array([[table["p0"][row[i]], table["p1"][row[i]]] for i in self.test])

    def labels(self, digest: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        table = pq.read_table(self.store / "label" / digest / "labels.parquet").to_pydict()
        gold = np.array([self.gold_of[i] for i in table["id"]])
        return np.stack([table["p0"], table["p1"]], 1), np.array(table["weight"]), gold


def metric(name: str, p: np.ndarray, y: np.ndarray) -> float:
    answer, confidence = p.argmax(1), p.max(1)
    if name == "accuracy":
        return float((answer == y).mean())
    if name == "balanced_accuracy":
        return float(np.mean([(answer[y == c] == c).mean() for c in (0, 1)]))
    if name == "macro_f1":
        return float(
            np.mean([2 * ((answer == c) & (y == c)).sum() / ((answer == c).sum() + (y == c).sum()) for c in (0, 1)])
        )
    if name == "auroc":
        ranks, n1 = rankdata(p[:, 1]), (y == 1).sum()
        return float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(y) - n1)))
    if name == "brier":
        return float(((p - np.eye(2)[y]) ** 2).sum(1).mean() / 2)
    assert name == "ece"
    # an item's bin is that of the middle of all items with its confidence
    bins = np.array([int(15 * ((confidence < c).sum() + (confidence == c).sum() / 2) / len(y)) for c in confidence])
    gaps = [(answer == y)[bins == b].sum() - confidence[bins == b].sum() for b in range(15)]
    return float(np.abs(gaps).sum() / len(y))


def resampled_accuracy(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy per draw and seed, and the seeds' counts, from the documented generators."""
    items = np.random.Generator(np.random.PCG64([0, 1]))
    n, s = right.shape[1], right.shape[0]
    weights = np.stack([np.bincount(items.integers(n, size=n), minlength=n) for _ in range(2000)])
    seeds = np.random.Generator(np.random.PCG64([0, 2])).multinomial(s, np.full(s, 1 / s), size=2000)
    return weights @ right.T / n, seeds


def interval(point: np.ndarray, draws: np.ndarray, seeds: np.ndarray) -> tuple[float, float]:
    """Return the crossed percentile interval of a mean over seeds (formula at the head of metrics/intervals.py)."""
    m = seed_mean(point, draws, seeds, share(point, draws))
    return tuple(np.quantile(m, [0.025, 0.975]))


def share(point: np.ndarray, draws: np.ndarray) -> float:
    s, spread = len(point), point.var(ddof=1)
    if spread == 0:
        return 1.0
    noise = (draws - draws.mean(1, keepdims=True)).var(0).mean() * s / (s - 1)
    return max(0.25, 1 - noise / spread)


def seed_mean(point: np.ndarray, draws: np.ndarray, seeds: np.ndarray, k: float) -> np.ndarray:
    s = len(point)
    c = np.sqrt(s / (s - 1) * k) * student_t.ppf(0.975, s - 1) / norm.ppf(0.975)
    return draws.mean(1) + c * (seeds @ point / s - point.mean())


def whole(results: Results) -> list[dict[str, Any]]:
    return [row for row in results.rows if row["slice"] is None]


def test_scores_and_recovered_gap(finished: tuple[Results, Path]) -> None:
    results, stored = finished[0], Stored(finished[1])
    assert {row["metric"] for row in whole(results)} == {
        "accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "brier",
    }  # fmt: skip
    for row in whole(results):
        means = {}
        for role, block in (("weak", "weak_score"), ("student", "student"), ("ceiling", "ceiling")):
            values = [
                metric(row["metric"], stored.probabilities(one["predictions"][role]), stored.gold)
                for one in row["per_seed"]
            ]
            assert [one[block] for one in row["per_seed"]] == pytest.approx(values, abs=1e-9)
            means[role] = np.mean(values)
            assert row[block]["mean"] == pytest.approx(means[role], abs=1e-9)
        sign = 1 if row["higher_is_better"] else -1
        assert row["gap"]["mean"] == pytest.approx(sign * (means["ceiling"] - means["weak"]), abs=1e-9)
        if row["pgr"]["value"] is not None:
            wanted = (means["student"] - means["weak"]) / (means["ceiling"] - means["weak"])
            assert row["pgr"]["value"] == pytest.approx(wanted, abs=1e-9)


def test_accuracy_intervals(finished: tuple[Results, Path]) -> None:
    results, stored = finished[0], Stored(finished[1])
    rows = [row for row in whole(results) if row["metric"] == "accuracy"]
    right = {}
    for row in rows:
        for role in ("weak", "student", "ceiling"):
            models = [stored.probabilities(one["predictions"][role]) for one in row["per_seed"]]
            right[row["method"], role] = np.stack([p.argmax(1) == stored.gold for p in models]).astype(float)
    for row in rows:
        parts = {role: right[row["method"], role] for role in ("weak", "student", "ceiling")}
        for role, block in (("weak", "weak_score"), ("student", "student"), ("ceiling", "ceiling")):
            draws, seeds = resampled_accuracy(parts[role])
            low, high = interval(parts[role].mean(1), draws, seeds)
            assert (row[block]["low"], row[block]["high"]) == pytest.approx((low, min(high, 1.0)), abs=1e-9)
        gap_draws, seeds = resampled_accuracy(parts["ceiling"] - parts["weak"])
        gap = (parts["ceiling"] - parts["weak"]).mean(1)
        assert (row["gap"]["low"], row["gap"]["high"]) == pytest.approx(interval(gap, gap_draws, seeds), abs=1e-9)
        if row["pgr"]["status"] == "ok":
            gain = (parts["student"] - parts["weak"]).mean(1)
            gain_draws, _ = resampled_accuracy(parts["student"] - parts["weak"])
            value = gain.mean() / gap.mean()
            k = max(share(gap, gap_draws), share(gain - value * gap, gain_draws - value * gap_draws))
            ratio = seed_mean(gain, gain_draws, seeds, k) / seed_mean(gap, gap_draws, seeds, k)
            found = (row["pgr"]["low"], row["pgr"]["high"])
            assert found == pytest.approx(tuple(np.quantile(ratio, [0.025, 0.975])), abs=1e-9)
        if row["method"] != "naive":
            delta = right[row["method"], "student"] - right["naive", "student"]
            draws, seeds = resampled_accuracy(delta)
            assert row["vs_naive"]["delta"] == pytest.approx(delta.mean(), abs=1e-9)
            found = (row["vs_naive"]["low"], row["vs_naive"]["high"])
            assert found == pytest.approx(interval(delta.mean(1), draws, seeds), abs=1e-9)
    assert any(row["pgr"]["status"] == "ok" for row in rows), "the study must show a gap for this test to mean anything"


def test_mcnemar_and_holm(finished: tuple[Results, Path]) -> None:
    results, stored = finished[0], Stored(finished[1])
    rows = {row["method"]: row for row in whole(results) if row["metric"] == "accuracy"}

    def right(method: str) -> list[np.ndarray]:
        return [
            stored.probabilities(one["predictions"]["student"]).argmax(1) == stored.gold
            for one in rows[method]["per_seed"]
        ]

    tested = {}
    for method, row in rows.items():
        if method == "naive":
            assert row["vs_naive"] is None
            continue
        up, down = [], []
        for a, b in zip(right(method), right("naive"), strict=True):
            only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
            n = only_a + only_b
            up.append(binomtest(only_a, n, alternative="greater").pvalue if n else 1.0)
            down.append(binomtest(only_b, n, alternative="greater").pvalue if n else 1.0)
        majority = [min(1.0, 5 / 3 * sorted(p)[2]) for p in (up, down)]  # 3 of 5 seeds
        assert row["vs_naive"]["p"] == pytest.approx(min(1.0, 2 * min(majority)), abs=1e-9)
        if row["control"]:
            assert row["vs_naive"]["p_holm"] is None
        else:
            tested[method] = row["vs_naive"]["p"]
    smaller, larger = sorted(tested, key=lambda method: tested[method])
    assert rows[smaller]["vs_naive"]["p_holm"] == pytest.approx(min(1, 2 * tested[smaller]), abs=1e-9)
    wanted = max(min(1, 2 * tested[smaller]), tested[larger])
    assert rows[larger]["vs_naive"]["p_holm"] == pytest.approx(wanted, abs=1e-9)


def check_diagnostics(said: Any, weak: np.ndarray, student: np.ndarray, gold: np.ndarray) -> None:
    """Hold what explains a row against numpy on the stored predictions."""
    wrong, weak_wrong = student.argmax(2) != gold, weak.argmax(2) != gold
    pairs = list(zip(wrong, weak_wrong, strict=True))
    wanted = {
        "inherited": np.mean([ours[theirs].mean() for ours, theirs in pairs]),
        "corrected": np.mean([1 - ours[theirs].mean() for ours, theirs in pairs]),
        "new": np.mean([ours[~theirs].mean() for ours, theirs in pairs]),
        "phi": np.mean([np.corrcoef(ours, theirs)[0, 1] for ours, theirs in pairs]),
    }
    for name, mean in wanted.items():
        assert said["errors"][name]["mean"] == pytest.approx(mean, abs=1e-9)
    truth = np.eye(weak.shape[2])[gold]
    departed = (student * (np.log(student) - np.log(weak))).sum(2).mean()
    gained = (truth * (np.log(student) - np.log(weak))).sum(2).mean()
    assert said["misfit"]["nats"]["misfit"]["mean"] == pytest.approx(departed, abs=1e-9)
    assert said["misfit"]["nats"]["gain"]["mean"] == pytest.approx(gained, abs=1e-9)
    brier = [((one - truth) ** 2).sum(2).mean() for one in (weak, student)]
    squared = said["misfit"]["squared"]
    assert squared["misfit"]["mean"] == pytest.approx(((student - weak) ** 2).sum(2).mean(), abs=1e-9)
    assert squared["gain_less_misfit"]["mean"] == pytest.approx(
        brier[0] - brier[1] - squared["misfit"]["mean"], abs=1e-9
    )


def test_agreement_labels_and_curves(finished: tuple[Results, Path]) -> None:
    results, stored = finished[0], Stored(finished[1])
    for row in whole(results):
        if row["metric"] != "accuracy":
            assert row["agreement"] is None and row["calibration"] is None
            continue
        weak, student = (
            np.stack([stored.probabilities(one["predictions"][role]) for one in row["per_seed"]])
            for role in ("weak", "student")
        )
        same, weak_right = weak.argmax(2) == student.argmax(2), weak.argmax(2) == stored.gold
        for name, among in (("when_weak_right", weak_right), ("when_weak_wrong", ~weak_right)):
            wanted = np.mean([s[a].mean() for s, a in zip(same, among, strict=True)])
            assert row["agreement"][name]["mean"] == pytest.approx(wanted, abs=1e-9)
        check_diagnostics(row["diagnostics"], weak, student, stored.gold)
        weak_labels = [stored.labels(one["labels"]["weak_labels"]) for one in row["per_seed"]]
        accuracy = [(p.argmax(1) == gold).mean() for p, _, gold in weak_labels]
        half = student_t.ppf(0.975, 4) * np.std(accuracy, ddof=1) / np.sqrt(5)
        if row["labels"]["weak"]:
            assert row["labels"]["weak_accuracy"]["mean"] == pytest.approx(np.mean(accuracy), abs=1e-9)
            assert row["labels"]["weak_accuracy"]["low"] == pytest.approx(np.mean(accuracy) - half, abs=1e-9)
        else:
            assert row["labels"]["weak_accuracy"] is None
        if "labels" in row["per_seed"][0]["labels"]:
            told = [stored.labels(one["labels"]["labels"]) for one in row["per_seed"]]
            kept = np.mean([np.average(p.argmax(1) == gold, weights=w) for p, w, gold in told])
            assert row["labels"]["kept_accuracy"]["mean"] == pytest.approx(kept, abs=1e-9)
        curve = row["calibration"]["curve"]
        assert sum(one["n"] for one in curve) == student.shape[0] * student.shape[1]
        confidence = student.max(2).ravel()
        total = sum(one["n"] * one["confidence"] for one in curve) / len(confidence)
        assert total == pytest.approx(confidence.mean(), abs=1e-9)
    half = next(row for row in whole(results) if row["method"] == "confident-half")
    assert (half["labels"]["weak"], half["labels"]["kept"], half["labels"]["gold"]) == (100, 50, 0)
    flipped = next(row for row in whole(results) if row["control"] == "flipped_truth")
    assert flipped["truth"] == "oracle" and flipped["labels"]["gold"] == 100


def test_control_sentence_and_files(finished: tuple[Results, Path], tmp_path: Path) -> None:
    results, stored = finished[0], Stored(finished[1])
    rows = {row["method"]: row for row in whole(results) if row["metric"] == "accuracy"}
    difference = rows["naive"]["student"]["mean"] - rows["flipped_truth"]["student"]["mean"]
    assert results.data["controls"][0]["difference"]["mean"] == pytest.approx(difference, abs=1e-9)
    assert f"{rows['naive']['student']['mean']:.3f}" in results.data["control_sentence"]
    assert set(rows) == {
        "naive", "confidence", "confident-half", "flipped_truth", "weak_on_weak", "weak_on_truth", "zero_shot",
    }  # fmt: skip
    written = results.export(tmp_path / "out")
    student = tmp_path / "out" / "w0-s0-naive-student-seed3.parquet"
    assert student in written
    table = pq.read_table(student).to_pydict()
    assert len(table["id"]) == len(stored.test)
    classes = results.data["task"]["classes"]
    right = [
        classes[int(np.argmax(row))] == gold
        for row, gold in zip(zip(*(table[f"p {name}"] for name in classes), strict=True), table["gold"], strict=True)
    ]
    seed3 = next(one for one in rows["naive"]["per_seed"] if one["seed"] == 3)
    assert np.mean(right) == pytest.approx(seed3["student"], abs=1e-9)
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pydict()
    assert set(table["id"]) <= set(items["id"]) and items["text"][0]
