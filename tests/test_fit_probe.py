"""Probes: equal to scikit-learn, indifferent to what must not matter, and clear about what cannot be fitted."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trimtab.errors import FitError
from trimtab.fit.bulk import Problem
from trimtab.fit.probe import Fitted, Head, fit_probe, fit_probes
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.stages.predict import read_head
from trimtab.stages.train import fit_facts

EXACT = Probe(tolerance=1e-9, max_steps=50_000)


def example(classes: int, items: int = 150, hidden: int = 8, seed: int = 0):
    """Return activations of unequal scales, soft labels that depend on them, and weights of one."""
    rng = np.random.default_rng([seed, classes])
    x = rng.normal(size=(items, hidden)) * np.logspace(-1, 1, hidden) + rng.normal(size=hidden) * 3
    logits = (x - x.mean(0)) / x.std(0) @ rng.normal(size=(hidden, classes)) + rng.normal(size=(items, classes))
    q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return x.astype(np.float32), q, np.ones(items)


def fit(x, q, w, strength=0.1, objective=None, settings=EXACT) -> Fitted:
    return fit_probe(x, q, w, objective or Naive(), strength, settings)


def fits(x, q, w, objective, strengths) -> list[Fitted]:
    found = fit_probes(x, [Problem(np.arange(len(x)), q, w, objective, one, EXACT) for one in strengths])
    assert all(isinstance(one, Fitted) for one in found)
    return [one for one in found if isinstance(one, Fitted)]


def by_sklearn(x, q, w, strength: float) -> np.ndarray:
    """Return scikit-learn's probabilities; a soft label is one copy of the item per class, weighted by q_ic.

    Its objective is C sum_i w_i CE_i + |V|^2 / 2, so C = 1 / (lambda sum w). For two classes it has one slope
    v = w_1 - w_0 where we have two with w_0 = -w_1, so that |W|^2 = |v|^2 / 2 and C is twice that.
    """
    items, classes = q.shape
    scaler = StandardScaler().fit(x.astype(np.float64), sample_weight=w)
    z = scaler.transform(x.astype(np.float64))
    c = (2 if classes == 2 else 1) / (strength * w.sum())
    model = LogisticRegression(C=c, tol=1e-10, max_iter=50_000)
    model.fit(np.repeat(z, classes, axis=0), np.tile(np.arange(classes), items), (q * w[:, None]).ravel())
    return model.predict_proba(z)


@pytest.mark.parametrize("strength", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", [(150, 8), (20, 60)], ids=["tall", "wide"])
def test_equals_scikit_learn(classes, strength, shape):
    x, q, w = example(classes, *shape)
    fitted = fit(x, q, w, strength)
    assert fitted.converged
    np.testing.assert_allclose(fitted.head.probabilities(x), by_sklearn(x, q, w, strength), atol=1e-4)


def test_equals_scikit_learn_with_weights_and_hard_labels():
    x, q, _ = example(3)
    hard = np.eye(3)[q.argmax(1)]
    w = np.random.default_rng(1).uniform(0.1, 3, len(x))
    np.testing.assert_allclose(fit(x, hard, w, 0.05).head.probabilities(x), by_sklearn(x, hard, w, 0.05), atol=1e-4)


def test_default_tolerance_is_close_enough():
    x, q, w = example(3)
    found = fit(x, q, w, settings=Probe())
    assert found.converged
    np.testing.assert_allclose(found.head.probabilities(x), by_sklearn(x, q, w, 0.1), atol=1e-4)


def test_without_information_the_head_says_the_mean_label():
    """All features constant: the slopes stay 0 and the free bias fits the mean label exactly."""
    labels = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.9, 0.1]])
    fitted = fit(np.full((4, 3), 7.5), labels, np.ones(4))
    np.testing.assert_allclose(fitted.head.probabilities(np.full((1, 3), 7.5)), [[0.6, 0.4]], atol=1e-8)
    assert (fitted.head.weight == 0).all()
    # H of the mean label: -(.6 ln .6 + .4 ln .4)
    assert fitted.loss == pytest.approx(0.6730116670, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_scale_and_shift_of_features_change_nothing(scale, shift):
    x, q, w = example(2)
    x = x.astype(np.float64)
    moved = x * scale * np.linspace(0.5, 2, x.shape[1]) + shift
    np.testing.assert_allclose(
        fit(moved, q, w).head.probabilities(moved), fit(x, q, w).head.probabilities(x), atol=1e-7
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_constant_feature_is_harmless(constant):
    x, q, w = example(2)
    wider = np.column_stack([x, np.full(len(x), constant)])
    fitted = fit(wider, q, w)
    np.testing.assert_allclose(fitted.head.probabilities(wider), fit(x, q, w).head.probabilities(x), atol=1e-7)
    np.testing.assert_allclose(fitted.head.weight[-1], 0, atol=1e-9)


def test_repeated_feature_is_harmless():
    x, q, w = example(2)
    fitted = fit(np.column_stack([x, x[:, 0]]), q, w)
    assert fitted.converged
    np.testing.assert_allclose(fitted.head.weight[0], fitted.head.weight[-1], atol=1e-7)


@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
def test_weight_zero_is_an_item_removed(objective):
    x, q, w = example(3)
    w[::3] = 0
    kept = w > 0
    one, other = fit(x, q, w, objective=objective), fit(x[kept], q[kept], w[kept], objective=objective)
    assert np.array_equal(one.head.weight, other.head.weight)
    assert np.array_equal(one.head.mean, other.head.mean)


def test_integer_weight_is_a_repeated_item():
    x, q, _ = example(3)
    times = np.random.default_rng(2).integers(1, 4, len(x))
    one = fit(x, q, times.astype(float))
    other = fit(np.repeat(x, times, axis=0), np.repeat(q, times, axis=0), np.ones(times.sum()))
    np.testing.assert_allclose(one.head.probabilities(x), other.head.probabilities(x), atol=1e-7)


def test_only_the_proportions_of_weights_matter():
    x, q, _ = example(2)
    w = np.random.default_rng(3).uniform(0.5, 2, len(x))
    np.testing.assert_allclose(fit(x, q, w).head.weight, fit(x, q, 1000 * w).head.weight, atol=1e-7)


@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
def test_permuting_classes_permutes_probabilities(objective):
    x, q, w = example(3)
    order = [2, 0, 1]
    np.testing.assert_allclose(
        fit(x, q[:, order], w, objective=objective).head.probabilities(x),
        fit(x, q, w, objective=objective).head.probabilities(x)[:, order],
        atol=1e-7,
    )


@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
def test_strengths_side_by_side_equal_single_fits(objective):
    x, q, w = example(3)
    strengths = [0.03, 0.3, 3.0]
    together = fits(x, q, w, objective, strengths)
    for strength, one in zip(strengths, together, strict=True):
        alone = fit(x, q, w, strength, objective)
        np.testing.assert_allclose(one.head.probabilities(x), alone.head.probabilities(x), atol=1e-7)
        assert one.loss == pytest.approx(alone.loss, abs=1e-8)


def test_stronger_penalty_means_smaller_slopes_and_larger_loss():
    x, q, w = example(2)
    found = fits(x, q, w, Naive(), [0.01, 0.1, 1.0, 10.0])
    assert np.all(np.diff([np.linalg.norm(one.head.weight) for one in found]) < 0)
    assert np.all(np.diff([one.loss for one in found]) > 0)


def test_schedule_with_alpha_zero_arrives_at_naive():
    """300 steps of stated length, at the default strengths from 0.01 on, end where the naive fit converges."""
    x, q, w = example(2)
    for strength in (0.01, 0.1, 1.0):
        scheduled = fit(x, q, w, strength, Confidence(alpha=0.0), Probe())
        assert scheduled.steps == 300
        np.testing.assert_allclose(
            scheduled.head.probabilities(x), fit(x, q, w, strength).head.probabilities(x), atol=1e-3
        )
    longer = fit(x, q, w, 0.01, Confidence(alpha=0.0), Probe(steps=2000))
    np.testing.assert_allclose(longer.head.probabilities(x), fit(x, q, w, 0.01).head.probabilities(x), atol=1e-6)


def test_confidence_makes_predictions_surer_and_keeps_the_balance():
    """The student's own hard labels sharpen it; their class shares are those of the weak labels."""
    x, q, w = example(2, items=400)
    naive, confident = (fit(x, q, w, objective=o).head.probabilities(x) for o in (Naive(), Confidence(alpha=0.75)))
    assert np.abs(confident - 0.5).mean() > np.abs(naive - 0.5).mean() + 0.02
    assert confident.mean(0) == pytest.approx(q.mean(0), abs=0.05)


@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
@pytest.mark.parametrize("classes", [2, 3])
def test_same_bits_at_any_number_of_threads(objective, classes):
    x, q, w = example(classes, items=600, hidden=64)
    before, heads = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            heads.append(fit(x, q, w, objective=objective, settings=Probe()).head)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for one in heads[1:]:
        for name in ("weight", "bias", "mean", "scale"):
            assert np.array_equal(getattr(one, name), getattr(heads[0], name))
        assert np.array_equal(one.probabilities(x), heads[0].probabilities(x))


_BITS = """
import hashlib
import numpy as np
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.select import select_strength
from trimtab.objectives.naive import Naive
rng = np.random.default_rng(0)
x, q, w = rng.normal(size=(3000, 300)).astype("f4"), rng.dirichlet(np.ones(3), 3000), rng.uniform(0.5, 2, 3000)
head = fit_probe(x, q, w, Naive(), 0.1, Probe()).head
chosen = select_strength(x, q, w, [str(i) for i in range(3000)], Naive(), Probe(strengths=(0.1, 1.0), folds=2), 0)
parts = [head.weight, head.bias, head.mean, head.scale, head.probabilities(x)]
held_out = repr(sorted(chosen.held_out_nats.items())).encode()
print(hashlib.sha256(b"".join(part.tobytes() for part in parts) + held_out).hexdigest())
"""


def test_same_bits_whatever_the_libraries_threads_are_set_to():
    """Also numpy's own threads, which are fixed when a process begins."""
    found = set()
    for threads in ("1", "2"):
        chosen = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", _BITS], env=os.environ | chosen, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_a_fit_repeats_itself():
    x, q, w = example(3)
    one, other = fit(x, q, w), fit(x, q, w)
    assert np.array_equal(one.head.weight, other.head.weight)
    assert one.loss == other.loss


def test_fewer_items_than_features():
    x, q, w = example(2, items=5, hidden=200)
    fitted = fit(x, q, w, 1.0)
    assert fitted.converged
    assert np.isfinite(fitted.head.weight).all()
    assert np.abs(fitted.head.probabilities(x) - q).max() < 0.4


def test_too_few_steps_are_reported():
    x, q, w = example(2)
    fitted = fit(x, q, w, 0.001, settings=replace(EXACT, max_steps=3))
    assert not fitted.converged
    assert fitted.steps == 3


def test_one_class_among_the_kept_items_is_always_answered():
    x, _, w = example(2)
    labels = np.eye(2)[np.arange(150) % 2]
    w[1::2] = 0
    assert fit(x, labels, w).head.probabilities(x) == pytest.approx(np.tile([1.0, 0.0], (150, 1)), abs=1e-12)


def test_nothing_to_fit_is_refused():
    x, q, w = example(2)
    with pytest.raises(FitError, match="no item with a positive weight"):
        fit(x, q, 0 * w)
    with pytest.raises(FitError, match="no item with a positive weight"):
        fit(x[:0], q[:0], w[:0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_activations_are_refused(bad):
    x, q, w = example(2)
    x[[3, 9], 1] = bad
    with pytest.raises(FitError, match="activations of 2 of 150 items hold NaN or infinity"):
        fit(x, q, w)


@pytest.mark.parametrize(
    "settings",
    [
        {"strengths": ()},
        {"strengths": (0.0,)},
        {"strengths": (1.0, -1.0)},
        {"folds": 1},
        {"steps": 1},
        {"max_steps": 0},
        {"strengths": (1.0, float("nan"))},
        {"tolerance": 0.0},
        {"select_tolerance": -1.0},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Probe(**settings)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_that_was_written_and_read_says_the_same(classes, tmp_path):
    """safetensors writes the memory behind an array and knows of no strides: a view comes back as other numbers."""
    generator = np.random.default_rng(classes)
    x = generator.normal(size=(60, 5)) + 1
    q = generator.dirichlet(np.ones(classes) * [1, 3, 2][:classes], 60)
    fitted = fit_probe(x, q, np.ones(60), Naive(), 0.1, Probe())
    assert np.abs(fitted.head.bias).min() > 0.01
    fit_facts(tmp_path, fitted, {"strength": 0.1, "at_edge": False, "candidates": []}, 60)
    read = read_head(tmp_path)
    for name in ("weight", "bias", "mean", "scale"):
        np.testing.assert_array_equal(getattr(read, name), getattr(fitted.head, name))
    # steps are float32 differences, and nothing draws back what all classes share
    np.testing.assert_allclose(read.bias.sum(), 0, atol=1e-6)


def test_a_head_of_views_is_refused():
    with pytest.raises(ValueError, match=r"Head.bias is a view with strides"):
        Head(np.ones((3, 2)), np.ones((2, 2))[:, 0], np.zeros(3), np.ones(3))
