"""The choice of a penalty: folds, ties, the edge of the grid, the scaler inside the fold, and no ground truth."""

from __future__ import annotations

import inspect
import json
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trimtab.errors import FitError
from trimtab.fit.folds import fold_of_items
from trimtab.fit.probe_settings import Probe
from trimtab.fit.select import select_strength
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.stages.stage import Stage
from trimtab.stages.tables import write_labels
from trimtab.stages.train import Select
from trimtab.types import Labels, silent

GRID = Probe(strengths=(0.01, 0.1, 1.0), select_tolerance=1e-8)


def example(items: int = 120, hidden: int = 6, noise: float = 1.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(items, hidden))
    odds = x @ rng.normal(size=hidden) + noise * rng.normal(size=items)
    p = 1 / (1 + np.exp(-odds))
    return x, np.stack([1 - p, p], -1), np.ones(items), [f"g{i}" for i in range(items)]


def chosen(x, q, w, groups, settings=GRID, seed=0, objective=None):
    return select_strength(x, q, w, groups, objective or Naive(), settings, seed)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_groups_stay_together_and_folds_are_even(folds):
    rng = np.random.default_rng(0)
    groups = [f"review {g}" for g in rng.integers(0, 60, 300)]
    fold = fold_of_items(groups, folds, 0)
    seen = defaultdict(set)
    for group, one in zip(groups, fold, strict=True):
        seen[group].add(int(one))
    assert all(len(folds_of_group) == 1 for folds_of_group in seen.values())
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= max(Counter(groups).values())


def test_single_items_are_dealt_evenly_and_by_seed():
    groups = [str(i) for i in range(100)]
    one, again, other = (fold_of_items(groups, 3, seed) for seed in (0, 0, 1))
    assert sorted(np.bincount(one).tolist()) == [33, 33, 34]
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_fold_does_not_depend_on_the_order_of_items():
    groups = [f"g{i % 40}" for i in range(100)]
    order = np.random.default_rng(0).permutation(100)
    shuffled = fold_of_items([groups[i] for i in order], 3, 5)
    assert np.array_equal(shuffled, fold_of_items(groups, 3, 5)[order])


def test_too_few_groups_are_refused():
    with pytest.raises(FitError, match="2 groups of items cannot be put into 3 folds"):
        fold_of_items(["a", "a", "b"], 3, 0)


def test_a_fold_without_a_second_class_holds_for_all_penalties_alike():
    """The only item of class 1 is held out once: the rest has one class, and the head says so whatever the penalty."""
    x, _, w, groups = example(9)
    labels = np.eye(2)[[1] + [0] * 8]
    found = chosen(x, labels, w, groups)
    assert min(found.held_out_nats.values()) > 30 / 9 - 1  # log-odds 30 of one item in nine, and what the others cost
    everyone = chosen(x, np.eye(2)[[0] * 9], w, groups)
    assert set(np.round(list(everyone.held_out_nats.values()), 9)) == {0.0}
    assert everyone.strength == max(everyone.held_out_nats)


def test_informative_labels_ask_for_little_penalty_and_noise_for_much():
    x, q, w, groups = example(noise=0.0)
    assert chosen(x, q, w, groups).strength == 0.01
    noise = np.eye(2)[np.random.default_rng(1).integers(0, 2, len(x))]
    assert chosen(x, noise, w, groups).strength == 1.0


def test_ties_go_to_the_stronger_penalty():
    """Features without information give every penalty the same held-out cross-entropy."""
    _, q, w, groups = example()
    found = chosen(np.ones((len(q), 4)), q, w, groups)
    assert len(set(found.held_out_nats.values())) == 1
    assert found.strength == 1.0


def test_edge_of_the_grid_is_reported():
    x, q, w, groups = example(noise=2.0)
    inner = chosen(x, q, w, groups, Probe(strengths=(1e-4, 0.05, 100.0)))
    assert inner.strength == 0.05
    assert not inner.at_edge
    for strengths in ((0.05, 10.0, 100.0), (1e-5, 1e-4, 0.05)):
        outer = chosen(x, q, w, groups, Probe(strengths=strengths))
        assert outer.strength == 0.05
        assert outer.at_edge
    assert not chosen(x, q, w, groups, Probe(strengths=(0.05,))).at_edge


def test_repeats_itself_by_seed_and_ignores_the_order_of_the_grid():
    x, q, w, groups = example()
    one, again, other = (chosen(x, q, w, groups, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one.held_out_nats != other.held_out_nats
    mixed = chosen(x, q, w, groups, Probe(strengths=(1.0, 0.01, 0.1, 0.1), select_tolerance=1e-8))
    assert mixed == one


def test_items_of_weight_zero_are_as_if_they_were_not_there():
    x, q, w, groups = example()
    w[:40] = 0
    assert chosen(x, q, w, groups) == chosen(x[40:], q[40:], w[40:], groups[40:])


def held_out_nats(x, q, folds: int, strength: float, scaler_sees_everything: bool) -> float:
    """Restate the score with scikit-learn for hard binary labels, with or without the leak."""
    fold, labels = fold_of_items([f"g{i}" for i in range(len(x))], folds, 0), q.argmax(1)
    losses = np.zeros(len(x))
    for held_out in range(folds):
        inside = fold != held_out
        z = StandardScaler().fit(x if scaler_sees_everything else x[inside]).transform(x)
        model = LogisticRegression(C=2 / (strength * inside.sum()), tol=1e-10, max_iter=10_000)
        predicted = model.fit(z[inside], labels[inside]).predict_proba(z[~inside])
        losses[~inside] = -np.log(predicted[np.arange(len(predicted)), labels[~inside]])
    return float(losses.mean())


def test_scaler_is_fitted_inside_each_fold():
    """Planted: one giant item makes the informative feature small wherever a scaler sees it.

    In the fold that holds it out, a leaking scaler shrinks that feature, so that the penalty forbids its slope.
    """
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 2
    x = np.column_stack([2.0 * labels - 1 + 0.3 * rng.normal(size=60), rng.normal(size=60)])
    x[0, 0] = -300.0
    q = np.eye(2)[labels]
    settings = Probe(strengths=(0.1, 1.0), select_tolerance=1e-8)
    found = chosen(x, q, np.ones(60), [f"g{i}" for i in range(60)], settings)
    for strength in settings.strengths:
        honest, leaking = (held_out_nats(x, q, 3, strength, leak) for leak in (False, True))
        assert found.held_out_nats[strength] == pytest.approx(honest, abs=1e-4)
        assert abs(leaking - honest) > 0.05


def test_weights_count_in_the_score():
    x, q, _, groups = example(60)
    w = np.random.default_rng(3).integers(1, 4, 60).astype(float)
    times = w.astype(int)
    # folds are filled by number of items and would differ; with one fold per group they cannot
    per_group = Probe(strengths=(0.1, 1.0), folds=60, select_tolerance=1e-8)
    weighted = chosen(x, q, w, groups, per_group).held_out_nats
    repeated = chosen(
        np.repeat(x, times, axis=0),
        np.repeat(q, times, axis=0),
        np.ones(times.sum()),
        [str(g) for g in np.repeat(groups, times)],
        per_group,
    ).held_out_nats
    assert weighted == pytest.approx(repeated, abs=1e-5)


def test_an_objective_with_a_schedule_can_choose_for_itself():
    x, q, w, groups = example(60)
    settings = Probe(strengths=(0.1, 1.0), folds=2, steps=50)
    naive, own = (chosen(x, q, w, groups, settings, objective=o) for o in (Naive(), Confidence(alpha=0.9)))
    assert own.held_out_nats != naive.held_out_nats
    assert own.strength in settings.strengths


def test_never_sees_ground_truth(tmp_path):
    """Neither the function nor its stage has a place for it: the stage works on a data folder that holds no gold."""
    assert set(inspect.signature(select_strength).parameters) == {
        "activations", "labels", "weights", "groups", "objective", "settings", "seed",
    }  # fmt: skip
    x, q, w, groups = example()
    folders = {name: tmp_path / name for name in ("data", "activations", "labels", "out")}
    for folder in folders.values():
        folder.mkdir()
    ids = [f"item {i}" for i in range(len(x))]
    items = pd.DataFrame({"id": ids, "related": np.unique(groups, return_inverse=True)[1]})
    items.to_parquet(folders["data"] / "items.parquet")
    save_file({"activations": x.astype(np.float32)}, folders["activations"] / "activations.safetensors")
    write_labels(folders["labels"], Labels(tuple(ids), q, w))
    stage = Select(_Nothing(), _Nothing(), _Nothing(), Naive(), GRID, 0)
    facts = stage.run(folders, folders["out"], tmp_path, silent)
    wanted = chosen(x.astype(np.float32), q, w, groups)
    assert facts["strength"] == wanted.strength
    written = json.loads((folders["out"] / "selection.json").read_text())
    assert {one["strength"]: one["held_out_nats"] for one in written["candidates"]} == wanted.held_out_nats


class _Nothing(Stage):
    """Stands where a stage stands."""

    kind = "nothing"

    def run(self, inputs, out, work, progress):
        raise AssertionError("not to be run")
