"""Fits solved together: equal to a plain solver written down here, with the same bits whatever the company."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from trimtab.errors import FitError
from trimtab.fit import bulk, bulk_block, bulk_kind
from trimtab.fit.bulk import Problem
from trimtab.fit.bulk_block import Block
from trimtab.fit.bulk_design import make_design
from trimtab.fit.probe import Fitted, fit_probes
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.types import Context

TIGHT = Probe(tolerance=1e-7, max_steps=2000)


@dataclass(frozen=True)
class SameNaive(Naive):
    """The naive objective as somebody else's: its slope is not known in closed form."""


@dataclass(frozen=True)
class SameConfidence(Confidence):
    """Auxiliary confidence as somebody else's."""


@dataclass(frozen=True)
class Late(Confidence):
    """Changes in the last quarter of its schedule, long after a fit has come to rest."""

    def weight(self, progress):
        return 0.2 if progress < 0.75 else 0.8


@dataclass(frozen=True)
class Brier(Naive):
    """Half the squared distance of probabilities: no cross-entropy, not convex, curvature below 1."""

    curvature = 1.0

    def __call__(self, logits, labels, context):
        return (logits.softmax(-1) - labels).square().sum(-1) / 2


@dataclass(frozen=True)
class Diverging(Naive):
    """States a curvature far too small: its steps overshoot."""

    scheduled = True
    curvature = 1e-9

    def __call__(self, logits, labels, context):
        return -(logits - 1).square().sum(-1)


@dataclass(frozen=True)
class Raising(Naive):
    """Fails when called."""

    def __call__(self, logits, labels, context):
        raise RuntimeError("the sky fell")


def example(classes: int = 2, items: int = 90, hidden: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return activations of decaying spectrum and soft labels that depend on them."""
    rng = np.random.default_rng([seed, classes])
    latent = rng.normal(size=(items, hidden)) * np.arange(1, hidden + 1) ** -0.7
    x = latent @ np.linalg.qr(rng.normal(size=(hidden, hidden)))[0] + rng.normal(size=hidden)
    odds = 2 * latent @ rng.normal(size=(hidden, classes)) + rng.normal(size=(items, classes))
    q = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    return x.astype(np.float32), q


def problem(q, objective, strength=0.1, rows=None, weights=None, settings=TIGHT) -> Problem:
    rows = np.arange(len(q)) if rows is None else rows
    weights = np.ones(len(rows)) if weights is None else weights
    return Problem(rows, q[rows], weights, objective, strength, settings)


def fitted(x, problems) -> list[Fitted]:
    found = fit_probes(x, problems)
    for one in found:
        if isinstance(one, Exception):
            raise one
    return [one for one in found if isinstance(one, Fitted)]


def plainly(x: np.ndarray, asked: Problem) -> tuple[np.ndarray, float]:
    """Return probabilities and loss of one fit, alone: float64, one column per class, automatic differentiation."""
    kept = asked.weights > 0
    own, q = x[asked.rows[kept]].astype(np.float64), torch.from_numpy(asked.labels[kept])
    share = asked.weights[kept] / asked.weights.sum()
    mean = share @ own
    standard = (own - mean) / np.sqrt(share @ (own - mean) ** 2)
    moments, basis = np.linalg.eigh(standard.T @ (share[:, None] * standard))
    features = torch.from_numpy(np.column_stack([standard @ basis, np.ones(len(own))]))
    penalty = torch.full((len(moments) + 1, 1), asked.strength, dtype=torch.float64)
    penalty[-1] = 0
    bound = asked.objective.curvature * torch.from_numpy(np.append(moments, 1)).unsqueeze(1) + penalty
    s = torch.from_numpy(share)
    current = ahead = torch.zeros(len(bound), q.shape[1], dtype=torch.float64)
    age = 0
    most = asked.settings.steps if asked.objective.scheduled else asked.settings.max_steps
    for step in range(most):
        logits = (features @ ahead).requires_grad_(True)
        context = Context(step / (most - 1), asked.objective.statistics(logits.detach(), q))
        (slope,) = torch.autograd.grad(asked.objective(logits, q, context) @ s, logits)
        gradient = features.T @ slope + penalty * ahead
        if not asked.objective.scheduled and gradient.norm() <= asked.settings.tolerance:
            current = ahead
            break
        following = ahead - gradient / bound
        age = 0 if float((gradient * (following - current)).sum()) > 0 else age + 1
        ahead = following + age / (age + 3) * (following - current)
        current = following
    logits = features @ current
    loss = asked.objective(logits, q, Context(1.0, asked.objective.statistics(logits, q))) @ s
    return logits.softmax(-1).numpy(), float(loss)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", [Naive(), Confidence(0.9), Brier()], ids=str)
def test_equals_a_plain_solver(objective, classes):
    """Folds, filters and step weights: many sets of items, all strengths, one call."""
    x, q = example(classes)
    rng = np.random.default_rng(1)
    sides = [np.flatnonzero(np.arange(90) % 3 != fold) for fold in range(2)]
    settings = replace(TIGHT, steps=60)
    asked = [
        problem(q, objective, strength, rows, weights, settings)
        for rows, weights in zip(sides, (np.ones(60), rng.uniform(0.2, 2, 60) * (rng.random(60) > 0.2)), strict=True)
        for strength in (0.1, 1.0)
    ]
    for one, found in zip(asked, fitted(x, asked), strict=True):
        expected, loss = plainly(x, one)
        kept = one.rows[one.weights > 0]
        np.testing.assert_allclose(found.head.probabilities(x[kept]), expected, atol=1e-6)
        assert found.loss == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize(
    "pair", [(Naive(), SameNaive()), (Confidence(), SameConfidence())], ids=["naive", "confidence"]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_closed_form_is_what_differentiation_gives(pair, classes):
    x, q = example(classes)
    one, other = fitted(x, [problem(q, objective, settings=replace(TIGHT, steps=60)) for objective in pair])
    np.testing.assert_allclose(one.head.weight, other.head.weight, atol=1e-7)
    # without a schedule one of them sees float32 differences, and may stop some steps before or after the other
    assert one.converged and other.converged and (one.steps == other.steps or not pair[0].scheduled)


def test_fewer_items_than_activations_is_the_same_problem():
    """Both ways to the basis: duplicated items leave the minimiser, and cross from one to the other."""
    x, q = example(items=40, hidden=60)
    few, many = make_design(x, np.ones(40)), make_design(np.tile(x, (2, 1)), np.ones(80))
    np.testing.assert_allclose(few.moments[: few.directions], many.moments[: many.directions], atol=1e-9)
    (one,) = fitted(x, [problem(q, Naive())])
    (other,) = fitted(np.tile(x, (2, 1)), [problem(np.tile(q, (2, 1)), Naive())])
    np.testing.assert_allclose(one.head.probabilities(x), other.head.probabilities(x), atol=1e-7)
    np.testing.assert_allclose(one.head.weight, other.head.weight, atol=1e-7)


def same_bits(one: Fitted, other: Fitted) -> bool:
    arrays = all(np.array_equal(getattr(one.head, k), getattr(other.head, k)) for k in ("weight", "bias", "scale"))
    return arrays and (one.loss, one.steps, one.converged) == (other.loss, other.steps, other.converged)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", [Naive(), Confidence(), SameNaive()], ids=["naive", "confidence", "automatic"])
@pytest.mark.parametrize("shape", [(70, 21), (30, 53)], ids=["tall", "wide"])
def test_same_bits_whatever_the_companions(objective, classes, shape):
    x, q = example(classes, *shape)
    settings = Probe(steps=12, tolerance=1e-4, max_steps=15)
    asked = problem(q, objective, settings=settings)
    (alone,) = fitted(x, [asked])
    rng = np.random.default_rng(2)
    for companions, position in ((1, 1), (31, 7), (63, 0)):
        others = [
            problem(rng.dirichlet(np.ones(classes), len(q)), objective, 10 ** rng.uniform(-3, 1), settings=settings)
            for _ in range(companions)
        ]
        found = fitted(x, [*others[:position], asked, *others[position:]])[position]
        assert same_bits(found, alone), companions


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
def test_same_bits_in_every_place_and_after_another_fit(objective, classes):
    """More fits than a block has slots, all the same: whoever takes over a slot starts afresh."""
    x, q = example(classes, items=61, hidden=37)
    asked = problem(q, objective, settings=Probe(steps=12, max_steps=12))
    alone, *found = fitted(x, [asked] * 40)
    assert all(same_bits(one, alone) for one in found)


@pytest.mark.parametrize("objective", [Naive(), Confidence(), SameNaive()], ids=["naive", "confidence", "automatic"])
@pytest.mark.parametrize("shape", [(96, 21), (60, 53)], ids=["tall", "wide"])
def test_same_bits_beside_fits_to_other_items(objective, shape, monkeypatch):
    """Folds of one shape, of which each has an item more or less, and weights that make designs of their own."""
    x, q = example(2, *shape)
    settings = Probe(steps=30, tolerance=1e-4, max_steps=40)
    rng = np.random.default_rng(4)
    sides = [np.flatnonzero(np.arange(len(q)) % 7 != fold) for fold in range(7)]
    asked = [
        problem(q, objective, strength, rows, weights, settings)
        for rows in sides
        for weights in (None, rng.uniform(0.5, 2, len(rows)))
        for strength in (0.01, 1.0)
    ]
    together = fitted(x, asked)
    for one, alone in zip(together, asked, strict=True):
        assert same_bits(one, fitted(x, [alone])[0])
    monkeypatch.setattr(bulk_kind, "SIDE_BY_SIDE", 30_000)  # 3 or 9 designs a block
    assert all(map(same_bits, fitted(x, asked), together))
    monkeypatch.setattr(bulk, "HELD", 0)
    assert all(map(same_bits, fitted(x, asked), together))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_schedule_that_has_come_to_rest_ends_where_its_last_step_would(classes, monkeypatch):
    x, q = example(classes)
    asked = [
        problem(q, Confidence(alpha), strength, settings=Probe()) for alpha in (0.2, 0.9) for strength in (0.1, 3.0)
    ]
    taken = []
    monkeypatch.setattr(Block, "_take_step", lambda self, step=Block._take_step: (taken.append(1), step(self)))
    found = fitted(x, asked)
    short = len(taken)
    monkeypatch.setattr(bulk_block, "SETTLED", 0.0)
    whole = fitted(x, asked)
    assert short < 200 < 300 <= len(taken) - short
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one.head.probabilities(x), other.head.probabilities(x), atol=1e-6)
        assert one.steps == other.steps == 300 and one.converged


def test_an_objective_that_may_still_change_takes_all_its_steps():
    x, q = example()
    asked = problem(q, Late(), 1.0, settings=Probe())
    (found,) = fitted(x, [asked])
    np.testing.assert_allclose(found.head.probabilities(x), plainly(x, asked)[0], atol=1e-6)
    (rested,) = fitted(x, [problem(q, Confidence(0.2), 1.0, settings=Probe())])
    assert np.abs(found.head.probabilities(x) - rested.head.probabilities(x)).max() > 0.01


@pytest.mark.parametrize("objective", [Naive(), Confidence(), SameConfidence()], ids=["naive", "confidence", "own"])
def test_a_companion_that_fails_stops_itself_alone(objective):
    x, q = example()
    settings = Probe(steps=60)
    asked = problem(q, objective, settings=settings)
    broken = [
        problem(q, Diverging(), settings=settings),
        problem(q, Raising(), settings=settings),
        problem(q, objective, weights=np.zeros(len(q)), settings=settings),
    ]
    (alone,) = fitted(x, [asked])
    *failed, found = fit_probes(x, [*broken, asked])
    assert isinstance(found, Fitted)
    assert same_bits(found, alone)
    said = [f"{type(one).__name__}: {one}" for one in failed]
    assert said[0].startswith("FitError: Diverging: the loss became")
    assert said[1].startswith("FitError: the objective Raising raised RuntimeError: the sky fell in ")
    assert "no item with a positive weight" in said[2]


@pytest.mark.parametrize("objective", [Naive(), Confidence(), SameNaive()], ids=["naive", "confidence", "own"])
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_of_one_class_give_the_head_that_always_answers_it(objective, classes):
    """One row of a study is not a reason to lose the others: such a student is what its labels say."""
    x, q = example(classes)
    only = np.tile(np.eye(classes)[1], (len(q), 1))
    alike, other = fitted(x, [problem(only, objective), problem(q, objective)])
    assert alike.head.probabilities(x) == pytest.approx(only, abs=1e-12)
    assert alike.converged and not alike.head.weight.any()
    assert same_bits(other, fitted(x, [problem(q, objective)])[0])


def test_a_broken_activation_stops_only_those_who_use_it():
    x, q = example()
    x[7, 3] = np.nan
    sound = np.delete(np.arange(90), 7)
    broken, fine = fit_probes(x, [problem(q, Naive()), problem(q, Naive(), rows=sound)])
    assert isinstance(broken, FitError)
    assert "activations of 1 of 90 items" in str(broken)
    assert isinstance(fine, Fitted)


def test_the_order_of_items_does_not_matter():
    x, q = example()
    order = np.random.default_rng(3).permutation(90)
    one, other = fitted(x, [problem(q, Confidence()), problem(q, Confidence(), rows=order)])
    assert same_bits(one, other)


def test_schedules_of_different_length_end_each_at_their_own():
    x, q = example()
    asked = [problem(q, Confidence(), settings=Probe(steps=steps)) for steps in (10, 70, 30)]
    together = fitted(x, asked)
    assert [one.steps for one in together] == [10, 70, 30]
    assert all(same_bits(one, fitted(x, [alone])[0]) for one, alone in zip(together, asked, strict=True))
