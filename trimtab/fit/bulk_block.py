"""A block: accelerated full-batch steps of many fits at once, each as if it were alone.

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

Between steps in float64 a point is held as the float32 difference from the last of them, which a sum with the point
itself would round away.

A design always has the same rows in a block. A run takes a free slot at a step in float64, ends by itself, and leaves
the slot to the next. No value of a run meets one of another, and no sum depends on the slot: a fit has the same bits
whatever its companions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.fit.bulk_design import Design
from trimtab.fit.bulk_products import Products
from trimtab.fit.bulk_slopes import Slopes, steady_from
from trimtab.types import Objective

EXACT_EVERY = 16
"""Of so many steps the first is in float64, the others are in float32 differences from it."""
COLUMNS = 16
"""Columns of a design in a block: enough that the matrix products are not bound by memory, few enough that a fit alone
is cheap, and that the slots of fits which ended soon are taken over."""
SETTLED = 1e-7
"""Norm of the gradient in nats at which a fit with a schedule rests, once its objective changes no more: the steps
that are left would move it by no more than the rounding of those before did."""


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

    def stop(self) -> tuple[float, float]:
        """Return the norm of the gradient at which it ends, and from which step on."""
        if not self.objective.scheduled:
            return self.tolerance, 0
        return SETTLED, steady_from(self.objective) * (self.steps - 1)


@dataclass(frozen=True)
class Ended:
    """Where a run ended."""

    parameters: Float[Tensor, "classes directions"]
    steps: int
    converged: bool


class Block:
    """Slots for runs on designs of one shape, side by side."""

    def __init__(self, designs: Sequence[Design], columns: int, classes: int, slopes: Slopes, scheduled: bool) -> None:
        """Make an empty block; two classes have one column where the slopes are known in closed form."""
        self._designs, self._slopes = designs, slopes
        self._halved, self._scheduled = columns < classes, scheduled
        self._norm = sqrt(2) if self._halved else 1.0
        self._per_design = slots_of(columns)
        slots = self._per_design * len(designs)
        self._taken: dict[int, tuple[int, Run]] = {}
        self._busy: list[int] = []
        self._step, self._wave_step = [0] * slots, 0
        self._stop = [(0.0, 0.0)] * slots
        shape = (slots, columns, len(designs[0].moments))
        self._products = Products(designs, self._per_design * columns, light=scheduled)
        # a point is `points` in float64 and the difference from there in float32: `ahead`, `current`
        self._points = self._products.points.view(shape)
        self._ahead = self._products.moved.view(shape)
        self._start = self._products.start.view(shape)
        self._current, self._following, self._move = torch.zeros(3, *shape)
        self._penalty = torch.zeros(slots, 1, shape[2], dtype=torch.float64)
        self._near_penalty, self._pace = torch.zeros(2, slots, 1, shape[2])
        self._age = torch.zeros(slots, 1, 1)

    def solve(self, runs: Sequence[Iterator[tuple[int, Run]]]) -> Iterator[tuple[int, Run, Ended | Exception]]:
        """Yield each run of each design, its number and where it ended, in the order in which they end."""
        self._fill(runs)
        while self._taken:
            for slot, number, run, ended in self._advance():
                self._place(slot, None)
                yield number, run, ended
            self._fill(runs)

    def _fill(self, waiting: Sequence[Iterator[tuple[int, Run]]]) -> None:
        """Start waiting runs in free slots if the next step is in float64, so that each has the same steps in it."""
        if not self._taken:
            self._wave_step = 0
        elif self._wave_step % EXACT_EVERY:
            return
        for slot in range(len(self._step)):
            if slot not in self._taken and (following := next(waiting[slot // self._per_design], None)) is not None:
                self._place(slot, following)

    def _place(self, slot: int, taken: tuple[int, Run] | None) -> None:
        """Start a run in a slot, or leave it empty: there nothing moves."""
        self._taken.pop(slot, None)
        if taken:
            self._taken[slot] = taken
        self._busy = sorted({one // self._per_design for one in self._taken})
        self._step[slot] = 0
        for state in (self._points, self._ahead, self._current, self._penalty, self._near_penalty, self._pace):
            state[slot] = 0
        self._age[slot] = 0
        if taken is None:
            self._slopes.place(slot, None, None)
            return
        run, design = taken[1], self._designs[slot // self._per_design]
        self._slopes.place(slot, run.labels, run.objective)
        self._stop[slot] = run.stop()
        half = 0.5 if self._halved else 1.0
        self._penalty[slot, 0, : design.directions] = half * run.strength
        self._near_penalty[slot] = self._penalty[slot]
        bound = half * run.objective.curvature * design.moments + self._penalty[slot]
        self._pace[slot] = bound.reciprocal()

    def _advance(self) -> list[tuple[int, int, Run, Ended | Exception]]:
        """Take one step in all slots; return slot, number, run and end of those that ended."""
        ended = dict[int, Ended | Exception]()
        sizes = self._differentiate()
        for slot, (_, run) in self._taken.items():
            if slot in self._slopes.errors:
                ended[slot] = self._slopes.errors[slot]
                continue
            tolerance, first = self._stop[slot]
            if sizes[slot] <= tolerance and self._step[slot] >= first:
                steps = run.steps if self._scheduled else self._step[slot]
                ended[slot] = Ended(self._columns(slot, self._ahead), steps, True)
        self._take_step()
        self._wave_step += 1
        for slot, (_, run) in self._taken.items():
            self._step[slot] += 1
            lost = not sizes[slot] < torch.inf
            if slot not in ended and (lost or self._step[slot] == run.steps):
                parameters = self._columns(slot, self._current)
                # what left the range of float32 may still be finite
                parameters = torch.full_like(parameters, torch.nan) if lost else parameters
                ended[slot] = Ended(parameters, self._step[slot], self._scheduled)
        return [(slot, *self._taken[slot], end) for slot, end in ended.items()]

    def _differentiate(self) -> list[float]:
        """Find the gradient at the point ahead; return each slot's norm of it, in two columns for two classes."""
        exact, among = self._wave_step % EXACT_EVERY == 0, self._busy
        if exact:
            self._current -= self._ahead
            self._points += self._ahead
            self._ahead.zero_()
        logits = self._products.logits(exact, among)
        slopes = self._slopes(logits.view(*self._ahead.shape[:2], -1), self._progress()).flatten(0, 1)
        if exact:
            gradient = self._products.exact_gradients(slopes, among).view(self._ahead.shape)
            self._gradient = self._start.copy_(gradient.addcmul_(self._penalty, self._points))
        else:
            self._gradient = self._products.near_gradients(slopes, among).view(self._ahead.shape)
            self._gradient.addcmul_(self._near_penalty, self._ahead)
        return (self._norm * torch.linalg.vector_norm(self._gradient, dim=(1, 2))).tolist()

    def _progress(self) -> list[float]:
        """Return which share of its schedule each slot has done; without a schedule there is none."""
        found = [0.0] * len(self._step)
        if self._scheduled:
            for slot, (_, run) in self._taken.items():
                found[slot] = self._step[slot] / max(1, run.steps - 1)
        return found

    def _take_step(self) -> None:
        """Step against the gradient from the point ahead, then look ahead again."""
        torch.addcmul(self._ahead, self._gradient, self._pace, value=-1, out=self._following)
        torch.sub(self._following, self._current, out=self._move)
        downhill = (self._gradient * self._move).sum((1, 2), keepdim=True) <= 0
        self._age.add_(1).mul_(downhill)
        torch.addcmul(self._following, self._age / (self._age + 3), self._move, out=self._ahead)
        self._current, self._following = self._following, self._current

    def _columns(self, slot: int, moved: Tensor) -> Float[Tensor, "classes directions"]:
        """Return the point that lies so far from the last one in float64, one row per class."""
        parameters = self._points[slot] + moved[slot]
        return torch.cat([-parameters / 2, parameters / 2]) if self._halved else parameters


def slots_of(columns: int) -> int:
    """Return how many runs of so many columns each design of a block has room for."""
    return max(1, COLUMNS // columns)
