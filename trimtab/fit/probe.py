"""Linear probes: an L2-regularised head on standardised activations, for any objective on soft labels.

    z_i = W' (x_i - mean) / scale + b
    minimise  sum_i w_i L(z_i, q_i) / sum_i w_i  +  lambda / 2 |W|^2          (b is free)

Solved by accelerated full-batch gradient steps with the fixed curvature bound  k X' diag(w) X / sum w + lambda I,
k = the objective's largest curvature in the logits (1/2 for a cross-entropy: Bohning 1992,
https://doi.org/10.1007/BF00048682), so that a step never overshoots; momentum restarts where it points uphill
(O'Donoghue & Candes 2015, https://arxiv.org/abs/1204.3982). In the eigenbasis of X' diag(w) X the bound is diagonal
for every lambda, so that many strengths are one batched problem.

Objectives without a schedule stop at a gradient tolerance; those that follow a schedule or the student's own
predictions take a stated number of steps. All arithmetic is float64 on one thread: a fit has the same bits on every
executor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.losses import losses_of_examples
from trimtab.fit.probe_settings import Probe
from trimtab.types import Array, Context, Objective


@dataclass(frozen=True)
class Head:
    """A fitted linear head and the standardisation that goes with it."""

    weight: Float[Array, "hidden classes"]
    bias: Float[Array, "classes"]
    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]

    def probabilities(self, activations: Float[Array, "items hidden"]) -> Float[Array, "items classes"]:
        """Return the softmax of the head's logits."""
        with one_thread():
            features = torch.from_numpy((activations.astype(np.float64) - self.mean) / self.scale)
            logits = features @ torch.from_numpy(self.weight) + torch.from_numpy(self.bias)
            return logits.softmax(-1).numpy()


@dataclass(frozen=True)
class Fitted:
    """A head and how its fit went."""

    head: Head
    loss: float
    """Weighted mean loss in nats, without the penalty."""
    steps: int
    converged: bool
    """Whether the gradient tolerance was reached; always true for a schedule of stated length."""


@dataclass(frozen=True)
class _Design:
    """Standardised activations turned into the eigenbasis of their weighted second moment."""

    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]
    basis: Float[Tensor, "hidden directions"]
    moments: Float[Tensor, "directions"]
    features: Float[Tensor, "items directions"]
    weights: Float[Tensor, "items"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the bits of a sum then do not depend on the machine's load or cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit_probe(
    activations: Float[Array, "items hidden"],
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    objective: Objective,
    strength: float,
    settings: Probe,
) -> Fitted:
    """Fit one head; items of weight 0 are left out, also of the standardisation.

    Raises FitError where no item is left, all labels are one class, or an activation or the loss is not finite.
    """
    return fit_probes(activations, labels, weights, objective, [strength], settings)[0]


def fit_probes(
    activations: Float[Array, "items hidden"],
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    objective: Objective,
    strengths: Sequence[float],
    settings: Probe,
) -> list[Fitted]:
    """Fit one head per penalty strength on the same labels, side by side; see `fit_probe`."""
    kept = weights > 0
    check_labels(labels[kept])
    with one_thread():
        design = _design(activations[kept], weights[kept])
        targets = torch.from_numpy(labels[kept].astype(np.float64))
        parameters, steps, converged = _descend(design, targets, objective, strengths, settings)
        losses = _losses(design, targets, objective, parameters)
    for strength, loss in zip(strengths, losses, strict=True):
        if not np.isfinite(loss):
            name = type(objective).__name__
            raise FitError(f"{name}: the loss became {loss} at strength {strength}; use a larger strength")
    return [
        Fitted(_head(design, one), loss, steps, bool(done))
        for one, loss, done in zip(parameters, losses, converged, strict=True)
    ]


def check_labels(labels: Float[Array, "items classes"]) -> None:
    """Raise FitError where a fit would be meaningless: nothing to learn from, or one class only."""
    if len(labels) == 0:
        raise FitError("there is no item with a positive weight to fit a head on; keep more of the labels")
    present = np.flatnonzero((labels > 0).any(0))
    if len(present) < 2:
        raise FitError(f"all {len(labels)} labels are of class {int(present[0])}; a head needs at least two classes")


def _design(activations: Float[Array, "items hidden"], weights: Float[Array, "items"]) -> _Design:
    """Standardise with the items' weights, so that the bias and the slopes have no curvature in common."""
    values = activations.astype(np.float64)
    if not np.isfinite(values).all():
        rows = int((~np.isfinite(values)).any(1).sum())
        raise FitError(
            f"the activations of {rows} of {len(values)} items hold NaN or infinity; "
            "use another layer or `precision: fp32`"
        )
    share = weights.astype(np.float64) / weights.sum()
    # torch's products, not numpy's: only the former are held to one thread
    mean = (torch.from_numpy(share) @ torch.from_numpy(values)).numpy()
    deviation = (torch.from_numpy(share) @ torch.from_numpy((values - mean) ** 2)).sqrt().numpy()
    # a constant feature has no direction to learn: scale 1 leaves its centred value at 0
    scale = np.where(deviation > 1e-12 * np.maximum(np.abs(mean), 1), deviation, 1.0)
    standard = torch.from_numpy((values - mean) / scale)
    normalised = torch.from_numpy(share)
    moments, basis = torch.linalg.eigh(standard.T @ (normalised.unsqueeze(1) * standard))
    # directions in which the items do not vary carry nothing: the penalty keeps their slopes at 0
    used = moments > 1e-12 * moments[-1]
    moments, basis = moments[used], basis[:, used].contiguous()
    return _Design(mean, scale, basis, moments, standard @ basis, normalised)


def _head(design: _Design, parameters: Float[Tensor, "columns classes"]) -> Head:
    return Head((design.basis @ parameters[:-1]).numpy(), parameters[-1].numpy(), design.mean, design.scale)


def _logits(design: _Design, parameters: Float[Tensor, "runs columns classes"]) -> Float[Tensor, "runs items classes"]:
    """Return all runs' logits through one matrix product."""
    runs, columns, classes = parameters.shape
    flat = parameters[:, :-1].permute(1, 0, 2).reshape(columns - 1, runs * classes)
    return (design.features @ flat).reshape(-1, runs, classes).permute(1, 0, 2) + parameters[:, -1:]


def _losses(design: _Design, targets: Tensor, objective: Objective, parameters: Tensor) -> list[float]:
    """Return each run's weighted mean loss in nats at the end of its schedule."""
    logits = _logits(design, parameters)
    labels = targets.expand(logits.shape)
    context = Context(1.0, objective.statistics(logits, labels))
    values = losses_of_examples(objective, logits, labels, context)
    return (values @ design.weights).tolist()


def _gradient(
    design: _Design, targets: Tensor, objective: Objective, parameters: Tensor, progress: float
) -> Float[Tensor, "runs columns classes"]:
    """Return the gradient of every run's weighted mean loss, without the penalty."""
    logits = _logits(design, parameters)
    labels = targets.expand(logits.shape)
    context = Context(progress, objective.statistics(logits, labels))
    logits.requires_grad_(True)
    values = losses_of_examples(objective, logits, labels, context)
    (slope,) = torch.autograd.grad((values @ design.weights).sum(), logits)
    runs, items, classes = slope.shape
    flat = design.features.T @ slope.permute(1, 0, 2).reshape(items, runs * classes)
    return torch.cat([flat.reshape(-1, runs, classes).permute(1, 0, 2), slope.sum(1, keepdim=True)], 1)


def _descend(
    design: _Design, targets: Tensor, objective: Objective, strengths: Sequence[float], settings: Probe
) -> tuple[Float[Tensor, "runs columns classes"], int, list[bool]]:
    """Return all runs' parameters (slopes in the eigenbasis, then the bias), the steps taken, and who converged."""
    penalty = torch.tensor(strengths, dtype=torch.float64).reshape(-1, 1, 1).repeat(1, len(design.moments) + 1, 1)
    penalty[:, -1] = 0
    moments = torch.cat([design.moments, torch.ones(1, dtype=torch.float64)]).reshape(1, -1, 1)
    bound = objective.curvature * moments + penalty
    current = torch.zeros(len(strengths), bound.shape[1], targets.shape[1], dtype=torch.float64)
    ahead = current
    age = torch.zeros(len(strengths), 1, 1, dtype=torch.float64)
    most = settings.steps if objective.scheduled else settings.max_steps
    largest = torch.full((len(strengths),), torch.inf, dtype=torch.float64)
    step = 0
    for step in range(most):
        gradient = _gradient(design, targets, objective, ahead, step / max(1, most - 1)) + penalty * ahead
        largest = gradient.flatten(1).norm(dim=1)
        if not objective.scheduled and bool((largest <= settings.tolerance).all()):
            return ahead, step, [True] * len(strengths)
        following = ahead - gradient / bound
        uphill = (gradient * (following - current)).sum((1, 2), keepdim=True) > 0
        age = torch.where(uphill, 0.0, age + 1)
        ahead = following + age / (age + 3) * (following - current)
        current = following
    done = [True] * len(strengths) if objective.scheduled else (largest <= settings.tolerance).tolist()
    return current, step + 1, done
