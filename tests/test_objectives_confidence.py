"""Auxiliary confidence: by hand, against numpy, the schedule, the detached hard label, and where it is naive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from trimtab.objectives.confidence import Confidence, auxiliary_confidence
from trimtab.objectives.naive import Naive
from trimtab.types import Context

EXAMPLES = [{}, {"alpha": 0.3}, {"warm_up": 0.5}]
REFUSED = [
    {"alpha": -0.1},
    {"alpha": 1.1},
    {"alpha": math.nan},
    {"warm_up": 0.0},
    {"warm_up": 1.5},
    {"warm_up": math.nan},
]


def example(classes: int, items: int = 200, seed: int = 0, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random logits and soft labels."""
    rng = np.random.default_rng([seed, classes])
    return torch.from_numpy(rng.normal(size=(items, classes)) * scale), torch.from_numpy(
        rng.dirichlet(np.ones(classes), items)
    )


def at(objective: Confidence, progress: float, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the values with statistics from these same items."""
    return objective(logits, labels, Context(progress, objective.statistics(logits.detach(), labels)))


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.1, 0.25), (0.2, 0.5), (1.0, 0.5)])
def test_hand_derived_value(progress, weight):
    """Items A: p = (1/4, 3/4), q = (.8, .2);  B: p = (1/2, 1/2), q = (.2, .8).

    Mean label (.5, .5): one item per class. A has the larger log-odds (ln 3 against 0), so h_A = 1, h_B = 0, and b lies
    halfway: b_1 - b_0 = -(ln 3) / 2.

        L_A = (1 - w) (.8 ln 4 + .2 ln(4/3)) + w ln(4/3)          L_B = ln 2
    """
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([[0.8, 0.2], [0.2, 0.8]], dtype=torch.float64)
    offset = Confidence().statistics(logits, labels)["class_offset"]
    assert float(offset[1] - offset[0]) == pytest.approx(-math.log(3) / 2, abs=1e-12)
    wanted = (1 - weight) * (0.8 * math.log(4) + 0.2 * math.log(4 / 3)) + weight * math.log(4 / 3)
    assert at(Confidence(), progress, logits, labels).tolist() == pytest.approx([wanted, math.log(2)], abs=1e-12)


def test_weight_rises_in_a_line_and_stays():
    objective = Confidence(alpha=0.6)
    assert [objective.weight(x) for x in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)] == pytest.approx(
        [0, 0.15, 0.3, 0.6, 0.6, 0.6], abs=1e-15
    )


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("items", [10, 101, 2000])
def test_two_classes_equal_the_papers_threshold(items, scale):
    """Independent restatement in numpy: h = 1 where p_1 is among the round(n * mean q_1) largest."""
    logits, labels = (one.numpy() for one in example(2, items, scale=scale))
    log_probabilities = log_softmax(logits, axis=1)
    odds = logits[:, 1] - logits[:, 0]
    positives = round(items * labels[:, 1].mean())
    threshold = np.quantile(odds, 1 - positives / items - 1e-9, method="inverted_cdf")
    hard = (odds > threshold).astype(int)
    wanted = -0.5 * (labels * log_probabilities).sum(1) - 0.5 * log_probabilities[np.arange(items), hard]
    found = at(Confidence(), 1.0, torch.from_numpy(logits), torch.from_numpy(labels)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [10, 100, 2000])
@pytest.mark.parametrize("scale", [0.1, 5.0, 500.0])
def test_three_classes_keep_the_labels_prior(n, scale):
    """Labels of mean (.7, .2, .1): the hard labels, read back from the loss at w = 1, hold it within 1 / n."""
    logits, _ = example(3, n, scale=scale)
    labels = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).repeat(n, 1)
    losses = at(Confidence(alpha=1.0), 1.0, logits, labels)
    hard = (losses.unsqueeze(-1) + logits.log_softmax(-1)).abs().argmin(-1)
    shares = torch.bincount(hard, minlength=3).double() / n
    assert (shares - torch.tensor([0.7, 0.2, 0.1])).abs().max() <= 1 / n + 1e-12


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_alpha_zero_is_naive(classes):
    logits, labels = example(classes)
    logits.requires_grad_()
    values = {}
    for name, found in (
        ("confidence", at(Confidence(alpha=0.0), 0.7, logits, labels)),
        ("naive", Naive()(logits, labels, Context(0.7))),
    ):
        values[name] = (found, *torch.autograd.grad(found.sum(), logits))
    for one, other in zip(values["confidence"], values["naive"], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-15)


def test_the_beginning_is_naive():
    logits, labels = example(3)
    torch.testing.assert_close(at(Confidence(), 0.0, logits, labels), Naive()(logits, labels, Context(0.0)))


@pytest.mark.parametrize("classes", [2, 3])
def test_hard_label_carries_no_gradient(classes):
    """With h constant the gradient is p - ((1 - w) q + w e_h); any path through h or b would add to it."""
    logits, labels = example(classes)
    objective = Confidence(alpha=0.75)
    offset = objective.statistics(logits, labels)["class_offset"].requires_grad_()
    logits.requires_grad_()
    loss = objective(logits, labels, Context(1.0, {"class_offset": offset})).sum()
    slope, through_offset = torch.autograd.grad(loss, [logits, offset], allow_unused=True)
    assert through_offset is None
    p, q, b = softmax(logits.detach().numpy(), axis=1), labels.numpy(), offset.detach().numpy()
    hard = np.eye(classes)[(np.log(p) + b).argmax(1)]
    np.testing.assert_allclose(slope.numpy(), p - (0.25 * q + 0.75 * hard), atol=1e-12)


def test_statistics_carry_no_gradient():
    logits, labels = example(3)
    assert not Confidence().statistics(logits.requires_grad_(), labels)["class_offset"].requires_grad


def test_a_mixture_of_two_cross_entropies_is_one():
    """(1 - w) CE(q, p) + w CE(h, p) = CE((1 - w) q + w h, p): the weak label is moved towards h."""
    logits, labels = example(4)
    offset = torch.zeros(4, dtype=torch.float64)
    mixed = 0.6 * labels + 0.4 * torch.eye(4, dtype=torch.float64)[logits.argmax(-1)]
    found = auxiliary_confidence(logits, labels, offset, 0.4)
    torch.testing.assert_close(found, Naive()(logits, mixed, Context(0.0)), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_the_precision_it_is_given(dtype):
    logits, labels = example(3)
    assert at(Confidence(), 1.0, logits.to(dtype), labels.to(dtype)).dtype == dtype


@pytest.mark.parametrize("classes", [2, 3])
def test_all_equal_logits_are_finite(classes):
    _, labels = example(classes, 50)
    logits = torch.zeros(50, classes, dtype=torch.float64, requires_grad=True)
    found = at(Confidence(), 1.0, logits, labels)
    assert found.tolist() == pytest.approx([math.log(classes)] * 50)
    assert torch.isfinite(torch.autograd.grad(found.sum(), logits)[0]).all()
