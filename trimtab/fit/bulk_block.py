"""A block: accelerated full-batch steps of a fixed number of fits at once, each as if it were alone.

    g = F' diag(s) dL/dz + penalty a          a+ = a~ - g / (k m + penalty)          a~ = a+ + j / (j + 3) (a+ - a)

in the eigenbasis of the weighted second moment, where the curvature bound k M + lambda I (k = the objective's largest
curvature in the logits, 1/2 for a cross-entropy: Bohning 1992, https://doi.org/10.1007/BF00048682) is diagonal for
every lambda, so that a step never overshoots; j counts steps and starts again where the momentum points uphill
(O'Donoghue & Candes 2015, https://arxiv.org/abs/1204.3982).

With two columns of logits the minimiser for two classes is (-v/2, v/2): the loss depends on z = f'v alone, and
lambda / 2 |W|^2 = lambda / 4 |v|^2. One column v with half the bound and half the penalty,

    g_v = F' diag(s) (p_1 - t_1) + lambda / 2 v          v+ = v~ - g_v / (k m / 2 + lambda / 2)

takes exactly the steps of the two columns: g_v is the gradient in the second of them, the step in v is twice the step
in v / 2, and the norm of both gradients is sqrt(2) |g_v|.

A block always has the same shape. A run takes a free slot, ends by itself, and leaves the slot to the next; schedules
begin together, so that all are at the same step, other runs at a step in float64. No value of a run meets one of
another, and no sum depends on the slot: a fit has the same bits whatever its companions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.fit.bulk_design import Design
from trimtab.fit.bulk_products import Products
from trimtab.fit.bulk_slopes import Slopes
from trimtab.types import Objective

EXACT_EVERY = 16
"""Of so many steps the first is in float64, the others are in float32 differences."""
SHORT, LONG = 16, 32
"""Columns of a block of fits that stop by themselves, and of fits that take all steps of a schedule: enough that the
matrix products are not bound by memory, few enough that a fit alone is cheap."""


@dataclass(frozen=True)
class Run:
    """One fit: labels of the design's items, and how to learn from them."""

    labels: Float[Tensor, "items classes"]
    objective: Objective
    strength: float
    steps: int
    """Steps of a schedule; the most steps of a fit without one."""
    tolerance: float
    """Norm of the gradient at which a fit without schedule has converged."""


@dataclass(frozen=True)
class Ended:
    """Where a run ended."""

    parameters: Float[Tensor, "classes directions"]
    steps: int
    converged: bool


class Block:
    """Slots for runs on one design."""

    def __init__(self, design: Design, slots: int, columns: int, classes: int, slopes: Slopes, scheduled: bool) -> None:
        """Make an empty block; two classes have one column where the slopes are known in closed form."""
        self._design, self._classes, self._slopes = design, classes, slopes
        self._halved = columns < classes
        self._slots: list[tuple[int, Run] | None] = [None] * slots
        shape = (slots, columns, len(design.moments))
        self._current = torch.zeros(shape, dtype=torch.float64)
        self._differences = scheduled or columns == 1
        self._products = Products(
            design.features, design.shares, slots * columns, differences=self._differences, light=scheduled
        )
        self._ahead = self._products.points.unflatten(0, (slots, columns))
        self._lockstep = scheduled
        self._wave_step = 0
        self._gradient = torch.zeros(shape, dtype=torch.float64)
        self._penalty = torch.zeros(shape[0], 1, shape[2], dtype=torch.float64)
        self._pace = torch.ones(shape[0], 1, shape[2], dtype=torch.float64)
        self._age = torch.zeros(shape[0], 1, 1, dtype=torch.float64)
        self._step = [0] * shape[0]

    def solve(self, runs: Iterable[Run]) -> Iterator[tuple[int, Run, Ended | Exception]]:
        """Yield each run, its position and where it ended, in the order in which they end."""
        waiting = enumerate(runs)
        self._fill(waiting)
        while any(self._slots):
            for slot, position, run, ended in self._advance():
                self._place(slot, None)
                yield position, run, ended
            self._fill(waiting)

    def _fill(self, waiting: Iterator[tuple[int, Run]]) -> None:
        """Start waiting runs in free slots if runs begin at this step, so that each has the same steps in float64."""
        if not any(self._slots):
            self._wave_step = 0
        elif self._lockstep or (self._differences and self._wave_step % EXACT_EVERY):
            return
        for slot, taken in enumerate(self._slots):
            if taken is None and (following := next(waiting, None)) is not None:
                self._place(slot, following)

    def _place(self, slot: int, taken: tuple[int, Run] | None) -> None:
        """Start a run in a slot, or leave it empty."""
        self._slots[slot] = taken
        for state in (self._current, self._ahead, self._penalty, self._age):
            state[slot] = 0
        self._pace[slot] = 1
        self._step[slot] = 0
        if taken is None:
            self._slopes.place(slot, None, None)
            return
        run = taken[1]
        self._slopes.place(slot, run.labels, run.objective)
        half = 0.5 if self._halved else 1.0
        self._penalty[slot, 0, : self._design.directions] = half * run.strength
        bound = half * run.objective.curvature * self._design.moments + self._penalty[slot]
        self._pace[slot] = bound.reciprocal()

    def _advance(self) -> list[tuple[int, int, Run, Ended | Exception]]:
        """Take one step in all slots; return slot, position, run and end of those that ended."""
        ended = dict[int, Ended | Exception]()
        sizes = self._differentiate()
        taken = [(slot, *found) for slot, found in enumerate(self._slots) if found]
        for slot, _, run in taken:
            if slot in self._slopes.errors:
                ended[slot] = self._slopes.errors[slot]
            elif not run.objective.scheduled and sizes[slot] <= run.tolerance:
                ended[slot] = Ended(self._columns(self._ahead[slot]), self._step[slot], True)
        self._move()
        self._wave_step += 1
        for slot, _, run in taken:
            self._step[slot] += 1
            lost = not sizes[slot] < torch.inf
            if slot not in ended and (lost or self._step[slot] == run.steps):
                converged = run.objective.scheduled or sizes[slot] <= run.tolerance
                ended[slot] = Ended(self._columns(self._current[slot]), self._step[slot], converged)
        return [(slot, position, run, ended[slot]) for slot, position, run in taken if slot in ended]

    def _differentiate(self) -> list[float]:
        """Find the gradient at the point ahead; return each slot's norm of it, in two columns for two classes."""
        slots, columns, _ = self._ahead.shape
        exact = not self._differences or self._wave_step % EXACT_EVERY == 0
        logits = self._products.logits(exact).unflatten(0, (slots, columns))
        slopes = self._slopes(logits, self._progress()).flatten(0, 1)
        gradients = self._products.gradients(slopes, exact)
        self._gradient = gradients.unflatten(0, (slots, columns))
        self._gradient.addcmul_(self._penalty, self._ahead)
        sizes = torch.linalg.vector_norm(self._gradient, dim=(1, 2)).tolist()
        return [sqrt(2) * size for size in sizes] if self._halved else sizes

    def _progress(self) -> list[float]:
        """Return which share of its schedule each slot has done; without a schedule there is none."""
        if not self._lockstep:
            return [0.0] * len(self._slots)
        return [
            step / max(1, found[1].steps - 1) if found else 0.0
            for step, found in zip(self._step, self._slots, strict=True)
        ]

    def _move(self) -> None:
        """Step against the gradient from the point ahead, then look ahead again."""
        following = torch.addcmul(self._ahead, self._gradient, self._pace, value=-1)
        move = following - self._current
        downhill = (self._gradient * move).sum((1, 2), keepdim=True) <= 0
        self._age.add_(1).mul_(downhill)
        torch.addcmul(following, self._age / (self._age + 3), move, out=self._ahead)
        self._current = following

    def _columns(self, parameters: Tensor) -> Float[Tensor, "classes directions"]:
        """Return a copy with one row per class."""
        return torch.cat([-parameters / 2, parameters / 2]) if self._halved else parameters.clone()


def slots_of(columns: int, scheduled: bool) -> int:
    """Return how many runs of so many columns a block has room for."""
    return max(1, (LONG if scheduled else SHORT) // columns)
