"""A fit in passes over chunks is the fit in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trimtab.errors import FitError
from trimtab.fit.gathered import gathering
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.streamed import Chunk, fit_streamed
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.types import Objective


def problem(items: int = 300, hidden: int = 12, classes: int = 2):
    generator = np.random.default_rng(5)
    values = (generator.normal(size=(items, hidden)) * generator.uniform(0.1, 5, hidden) + 3).astype(np.float32)
    scores = values @ generator.normal(size=(hidden, classes)) * 0.3 + generator.normal(size=(items, classes))
    labels = np.exp(scores - scores.max(1, keepdims=True))
    weights = generator.choice([0.0, 1.0, 2.5], items)
    return values, labels / labels.sum(1, keepdims=True), weights


def in_chunks(size: int, values, labels, weights):
    def chunks():
        for start in range(0, len(values), size):
            place = slice(start, start + size)
            yield Chunk(values[place], labels[place], weights[place])

    return chunks


@pytest.mark.parametrize("size", [1000, 64, 7])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", [Naive(), Confidence(alpha=0.5)])
def test_any_chunks_give_the_fit_in_memory(objective: Objective, classes: int, size: int) -> None:
    values, labels, weights = problem(classes=classes)
    settings = Probe(steps=60, tolerance=1e-7)
    whole = fit_probe(values, labels, weights, objective, 0.05, settings)
    parts = fit_streamed(in_chunks(size, values, labels, weights), objective, 0.05, settings)
    np.testing.assert_allclose(parts.head.probabilities(values), whole.head.probabilities(values), atol=1e-5)
    assert parts.loss == pytest.approx(whole.loss, abs=1e-6)
    assert parts.converged == whole.converged


def test_the_minimum_has_no_slope() -> None:
    """At the end the gradient of the loss by hand is 0: sum_i s_i x~_i (p - q) + strength W, and for b without."""
    values, labels, weights = problem()
    head = fit_streamed(in_chunks(50, values, labels, weights), Naive(), 0.1, Probe(tolerance=1e-8)).head
    share = weights / weights.sum()
    error = (head.probabilities(values) - labels) * share[:, None]
    standard = (values - head.mean) / head.scale
    np.testing.assert_allclose(standard.T @ error + 0.1 * head.weight, 0, atol=1e-7)
    np.testing.assert_allclose(error.sum(0), 0, atol=1e-7)


def test_a_constant_activation_has_no_slope_and_no_nan() -> None:
    values, labels, weights = problem()
    values[:, 3] = 7.0
    head = fit_streamed(in_chunks(50, values, labels, weights), Naive(), 0.1, Probe()).head
    assert np.isfinite(head.weight).all()
    assert np.abs(head.weight[3]).max() < 1e-12


@pytest.mark.parametrize("change", ["nothing", "nan"])
def test_what_cannot_be_fitted_is_refused(change: str) -> None:
    values, labels, weights = problem()
    if change == "nothing":
        weights[:] = 0
    if change == "nan":
        values[7, 2] = np.nan
    wanted = {"nothing": "no item", "nan": "NaN"}[change]
    with pytest.raises(FitError, match=wanted):
        fit_streamed(in_chunks(50, values, labels, weights), Naive(), 0.1, Probe())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", [Naive(), Confidence()])
def test_labels_of_one_class_give_the_head_of_a_fit_in_memory(objective: Objective, classes: int) -> None:
    """To the bits: the head that always answers it. What an item of weight 0 is told does not count."""
    values, labels, weights = problem(classes=classes)
    only = np.where((weights > 0)[:, None], np.eye(classes)[1], labels)
    whole = fit_probe(values, only, weights, objective, 0.1, Probe())
    parts = fit_streamed(in_chunks(50, values, only, weights), objective, 0.1, Probe())
    for name, array in vars(whole.head).items():
        np.testing.assert_array_equal(vars(parts.head)[name], array)
    assert (parts.loss, parts.steps, parts.converged) == (0.0, 0, True)


def test_what_an_item_without_weight_holds_does_not_matter() -> None:
    values, labels, weights = problem()
    whole = fit_streamed(in_chunks(50, values, labels, weights), Naive(), 0.1, Probe())
    values[weights == 0] = np.nan
    again = fit_streamed(in_chunks(50, values, labels, weights), Naive(), 0.1, Probe())
    np.testing.assert_array_equal(again.head.weight, whole.head.weight)


def test_a_loss_that_breaks_stops_at_once() -> None:
    calls = []

    class Broken(Naive):
        def __call__(self, logits, labels, context):
            calls.append(1)
            return super().__call__(logits, labels, context) * float("inf")

    with pytest.raises(FitError, match=r"a slope is not finite at strength 0\.1"):
        fit_streamed(in_chunks(1000, *problem()), Broken(), 0.1, Probe())
    assert len(calls) == 2  # one pass, and one look at why


def test_gathered_items_come_again_in_every_pass_and_leave_nothing(tmp_path: Path) -> None:
    values, labels, weights = problem(items=20)
    weights[:5] = 0  # a chunk of nothing but these is no chunk
    told = np.flatnonzero(weights > 0)
    with gathering(tmp_path / "work") as gathered:
        for chunk in in_chunks(5, values, labels, weights)():
            gathered.add(chunk)
        first = list(gathered())
        for one, (again, beside) in zip(first, zip(gathered(), gathered(), strict=True), strict=True):
            for name in ("values", "labels", "weights"):
                np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
                np.testing.assert_array_equal(getattr(beside, name), getattr(one, name))
        assert [len(one.weights) for one in first] == [int((weights[i : i + 5] > 0).sum()) for i in (5, 10, 15)]
        assert gathered.items == len(told)
    for name, wanted in (("values", values), ("labels", labels), ("weights", weights)):
        found = np.concatenate([getattr(one, name) for one in first])
        np.testing.assert_array_equal(found, wanted[told])
        assert found.dtype == wanted.dtype
    assert list((tmp_path / "work").iterdir()) == []


def test_a_fit_to_gathered_items_has_the_same_bits(tmp_path: Path) -> None:
    values, labels, weights = problem()
    chunks = in_chunks(64, values, labels, weights)
    with gathering(tmp_path) as gathered:
        for chunk in chunks():
            gathered.add(chunk)
        found = fit_streamed(gathered, Confidence(alpha=0.5), 0.05, Probe(steps=20))
    wanted = fit_streamed(chunks, Confidence(alpha=0.5), 0.05, Probe(steps=20))
    np.testing.assert_array_equal(found.head.weight, wanted.head.weight)
    np.testing.assert_array_equal(found.head.bias, wanted.head.bias)


def test_nothing_gathered_is_refused_as_nothing_to_fit(tmp_path: Path) -> None:
    values, labels, weights = problem(items=20)
    with gathering(tmp_path) as gathered, pytest.raises(FitError, match="no item"):
        gathered.add(Chunk(values, labels, 0 * weights))
        fit_streamed(gathered, Naive(), 0.1, Probe())
