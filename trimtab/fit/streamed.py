"""A probe fitted to more items than memory holds: the steps of `bulk_block.py` for one fit, its sums made in passes.

    pass 1   mean              pass 2   scale and second moment M = V diag(m) V'              then each step one pass:
    logits z_i = x~_i' V a + b        g = V' sum_i s_i x~_i (dL/dz_i)' + penalty a        x~ = (x - mean) / scale

Parameters live in the eigenbasis of M, so that a step costs one product with the items each way and the items are
never turned. What an objective wants to know of all items at once (`Objective.statistics`) is computed from all
logits: such an objective needs 16 bytes a class and item of memory; cross-entropy to the weak labels needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.bulk_design import carrying
from trimtab.fit.losses import losses_of_examples, statistics_of, why_lost
from trimtab.fit.probe import Fitted, Head, constant_head, one_thread
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.naive import Naive
from trimtab.types import Array, Context, Objective, Progress, silent


@dataclass(frozen=True)
class Chunk:
    """Some items: activations, labels and weights."""

    values: Float[Array, "items hidden"]
    labels: Float[Array, "items classes"]
    weights: Float[Array, "items"]


Chunks = Callable[[], Iterator[Chunk]]
"""Makes all items anew for each pass, in the same chunks each time; items of weight 0 may be among them."""


def fit_streamed(
    chunks: Chunks, objective: Objective, strength: float, settings: Probe, progress: Progress = silent
) -> Fitted:
    """Fit one head; items of weight 0 are left out, also of the standardisation.

    Raises FitError where no item is left, or an activation or the loss is not finite. Labels of one class give the head
    that always answers it, as in memory.
    """

    def used() -> Iterator[Chunk]:
        for chunk in chunks():
            kept = chunk.weights > 0
            if kept.all():
                yield chunk
            elif kept.any():
                yield Chunk(chunk.values[kept], chunk.labels[kept], chunk.weights[kept])

    with one_thread():
        totals = _totals(used)
        if totals.only is not None:
            return constant_head(len(totals.sums), totals.classes, totals.only)
        moments = _moments(used, totals)
        steps = _Steps(moments, objective, strength, settings)
        limit = settings.steps if objective.scheduled else settings.max_steps
        passes = _Passes(used, moments, objective)
        for step in range(limit):
            gradient = passes.gradient(steps.ahead, step / max(1, limit - 1))
            if not bool(torch.isfinite(gradient).all()):
                name, why = type(objective).__name__, _why(used, objective)
                raise FitError(f"{name}: a slope is not finite at strength {strength}. {why}")
            if steps.take(gradient, settings.tolerance):
                break
            progress(step + 1, limit)
        loss = passes.loss(steps.ended)
    if not np.isfinite(loss):
        name, why = type(objective).__name__, _why(used, objective)
        raise FitError(f"{name}: the loss became {loss} at strength {strength}. {why}")
    weight = (moments.basis @ steps.ended[:, :-1].T).numpy()
    head = Head(weight, steps.ended[:, -1].contiguous().numpy(), moments.mean.numpy(), moments.scale.numpy())
    return Fitted(head, loss, steps.taken, steps.converged or objective.scheduled)


@dataclass(frozen=True)
class _Moments:
    """Mean, scale and directions of the weighted items."""

    total: float
    """Sum of all weights."""
    classes: int
    mean: Float[Tensor, "hidden"]
    scale: Float[Tensor, "hidden"]
    moments: Float[Tensor, "directions"]
    basis: Float[Tensor, "hidden directions"]

    def standard(self, values: Float[Array, "items hidden"]) -> Float[Tensor, "items hidden"]:
        """Return standardised activations."""
        # float32 minus float64 is float64: one array where a conversion of its own would make two
        return (torch.from_numpy(values) - self.mean).div_(self.scale)


@dataclass(frozen=True)
class _Totals:
    """What the first pass finds."""

    weight: float
    """Sum of all weights."""
    classes: int
    only: int | None
    """The class of all labels, if it is one."""
    sums: Float[Tensor, "hidden"]
    """Weighted sums of the activations."""


def _totals(chunks: Chunks) -> _Totals:
    total, sums, present = 0.0, torch.zeros(0, dtype=torch.float64), np.zeros(0, bool)
    for chunk in chunks():
        values, weights = torch.from_numpy(chunk.values.astype(np.float64)), torch.from_numpy(chunk.weights)
        if not bool(torch.isfinite(values).all()):
            raise FitError("an activation is NaN or infinity; use another layer or `precision: fp32`")
        if not total:
            sums, present = torch.zeros(values.shape[1], dtype=torch.float64), np.zeros(chunk.labels.shape[1], bool)
        total += float(weights.sum())
        sums += weights @ values
        present |= (chunk.labels > 0).any(0)
    if not total:
        raise FitError("there is no item with a positive weight to fit a head on; keep more of the labels")
    only = int(present.argmax()) if present.sum() == 1 else None
    return _Totals(total, len(present), only, sums)


def _moments(chunks: Chunks, totals: _Totals) -> _Moments:
    total, mean = totals.weight, totals.sums / totals.weight
    second = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for chunk in chunks():
        centred = torch.from_numpy(chunk.values) - mean
        second += centred.T @ (centred * torch.from_numpy(chunk.weights / total).unsqueeze(1))
    deviation = second.diagonal().clamp(min=0).sqrt()
    scale = torch.where(deviation > 1e-12 * mean.abs().clamp(min=1), deviation, 1.0)
    moments, basis = torch.linalg.eigh(second / scale / scale.unsqueeze(1))
    used = carrying(moments)
    return _Moments(total, totals.classes, mean, scale, moments[used], basis[:, used].contiguous())


class _Steps:
    """Accelerated steps that start again where the momentum points uphill; see `bulk_block.py`."""

    def __init__(self, moments: _Moments, objective: Objective, strength: float, settings: Probe) -> None:
        shape = (moments.classes, len(moments.moments) + 1)
        self.ahead = torch.zeros(shape, dtype=torch.float64)
        self.ended = self.ahead
        self.taken, self.converged = 0, False
        one = torch.ones(1, dtype=torch.float64)
        self._penalty = torch.cat([strength * torch.ones_like(moments.moments), 0 * one])
        self._bound = objective.curvature * torch.cat([moments.moments, one]) + self._penalty
        self._until_flat = not objective.scheduled
        self._age = 0.0

    def take(self, gradient: Float[Tensor, "classes directions"], tolerance: float) -> bool:
        """Step against the gradient at the point ahead; say whether it was flat enough to stop."""
        gradient = gradient + self._penalty * self.ahead
        following = self.ahead - gradient / self._bound
        if self._until_flat and float(gradient.norm()) <= tolerance:
            self.ended, self.converged = self.ahead, True
            return True
        move = following - self.ended
        self._age = 0.0 if float((gradient * move).sum()) > 0 else self._age + 1
        self.ahead = following + self._age / (self._age + 3) * move
        self.ended = following
        self.taken += 1
        return False


class _Passes:
    """Sums over all items at given parameters."""

    def __init__(self, chunks: Chunks, moments: _Moments, objective: Objective) -> None:
        self._chunks, self._moments, self._objective = chunks, moments, objective
        # by exact type: a subclass may have changed the formula
        self._closed_form = type(objective) is Naive
        self._looks_across = bool(self._statistics_of_some())

    def gradient(
        self, parameters: Float[Tensor, "classes directions"], share: float
    ) -> Float[Tensor, "classes directions"]:
        """Return the gradient of the weighted mean loss."""
        columns, bias = self._columns(parameters), parameters[:, -1]
        context = self._context(columns, bias, share)
        slopes = torch.zeros_like(columns)
        ends = torch.zeros_like(bias)
        for chunk in self._chunks():
            values = self._moments.standard(chunk.values)
            labels, weights = torch.from_numpy(chunk.labels), torch.from_numpy(chunk.weights / self._moments.total)
            slope = self._slope(values @ columns + bias, labels, context) * weights.unsqueeze(1)
            slopes += values.T @ slope
            ends += slope.sum(0)
        return torch.cat([(self._moments.basis.T @ slopes).T, ends.unsqueeze(1)], 1)

    def loss(self, parameters: Float[Tensor, "classes directions"]) -> float:
        """Return the weighted mean loss in nats at the end of the schedule."""
        columns, bias = self._columns(parameters), parameters[:, -1]
        context = self._context(columns, bias, 1.0)
        total = 0.0
        for chunk in self._chunks():
            logits = self._moments.standard(chunk.values) @ columns + bias
            values = losses_of_examples(self._objective, logits, torch.from_numpy(chunk.labels), context)
            total += float(values @ torch.from_numpy(chunk.weights))
        return total / self._moments.total

    def _columns(self, parameters: Float[Tensor, "classes directions"]) -> Float[Tensor, "hidden classes"]:
        return self._moments.basis @ parameters[:, :-1].T

    def _context(
        self, columns: Float[Tensor, "hidden classes"], bias: Float[Tensor, "classes"], share: float
    ) -> Context:
        """Return what the objective may know of all items that count."""
        if not self._looks_across:
            return Context(share)
        logits, labels = [], []
        for chunk in self._chunks():
            logits.append(self._moments.standard(chunk.values) @ columns + bias)
            labels.append(torch.from_numpy(chunk.labels))
        return Context(share, statistics_of(self._objective, torch.cat(logits), torch.cat(labels)))

    def _statistics_of_some(self) -> Mapping[str, Tensor]:
        """Return the statistics of the first items: empty for an objective whose examples stand alone."""
        labels = torch.from_numpy(next(iter(self._chunks())).labels)
        return statistics_of(self._objective, torch.zeros_like(labels), labels)

    def _slope(
        self, logits: Float[Tensor, "items classes"], labels: Float[Tensor, "items classes"], context: Context
    ) -> Float[Tensor, "items classes"]:
        if self._closed_form:
            return logits.softmax(-1) - labels
        seen = logits.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(losses_of_examples(self._objective, seen, labels, context).sum(), seen)
        return slope


def _why(chunks: Chunks, objective: Objective) -> str:
    """Return why a fit ran away, as far as the first items show it."""
    return why_lost(objective, torch.from_numpy(next(iter(chunks())).labels))
