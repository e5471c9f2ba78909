"""Many fits on one matrix of activations, solved together.

Fits to the same weighted items share the standardisation, the eigendecomposition and the matrix products
(`bulk_design.py`, `bulk_block.py`); folds, filters and step weights are other items or weights, and share the calls of
a step where they are small. Every result has the bits that the fit has alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.bulk_block import Ended, Run
from trimtab.fit.bulk_design import Design, make_design
from trimtab.fit.bulk_kind import Kind, kind_of
from trimtab.fit.losses import losses_of_examples, statistics_of, why_lost
from trimtab.fit.probe_settings import Probe
from trimtab.types import Array, Context, Objective

HELD = 2**21
"""Features of designs that wait for others of their shape: 16 MiB, and their bases."""
CERTAIN = 30.0
"""Log-odds of a class that was never seen, against the only one that was; its probability is 1e-13."""


@dataclass(frozen=True)
class Lesson:
    """What there is to learn: which rows of the activations, with which labels and weights, by which objective."""

    rows: Int[Array, "items"]
    labels: Float[Array, "items classes"]
    weights: Float[Array, "items"]
    objective: Objective

    def of(self, items: Int[Array, "some"] | Bool[Array, "items"]) -> Self:
        """Return the same of some of its items."""
        return replace(self, rows=self.rows[items], labels=self.labels[items], weights=self.weights[items])


@dataclass(frozen=True)
class Problem(Lesson):
    """One fit of a lesson."""

    strength: float
    settings: Probe


@dataclass(frozen=True)
class Solution:
    """A fitted head as arrays, and how its fit went."""

    weight: Float[Array, "hidden classes"]
    bias: Float[Array, "classes"]
    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]
    loss: float
    steps: int
    converged: bool


def solve_all(activations: Float[Array, "rows hidden"], problems: Sequence[Problem]) -> list[Solution | Exception]:
    """Return each fit, or what stopped this one.

    Items of weight 0 are left out, also of the standardisation. The order of the items does not matter. Labels of one
    class give the head that always answers it.
    """
    found: dict[int, Solution | Exception] = {}
    shared: dict[bytes, list[int]] = defaultdict(list)
    for position, problem in enumerate(problems):
        kept = _kept(problem)
        try:
            only = only_class(kept.labels)
        except FitError as error:
            found[position] = error
            continue
        if only is not None:
            found[position] = constant(activations.shape[1], kept.labels.shape[1], only)
        else:
            shared[sha256(kept.rows.tobytes() + kept.weights.tobytes()).digest()].append(position)
    found |= _solve_side_by_side(activations, problems, shared.values())
    return [found[position] for position in range(len(problems))]


def only_class(labels: Float[Array, "items classes"]) -> int | None:
    """Return the class of all labels, if it is one; raise FitError where there are no labels."""
    if len(labels) == 0:
        raise FitError("there is no item with a positive weight to fit a head on; keep more of the labels")
    present = np.flatnonzero((labels > 0).any(0))
    return int(present[0]) if len(present) == 1 else None


def constant(hidden: int, classes: int, only: int) -> Solution:
    """Return the head that has learnt the only class there was: it is what any penalty leaves."""
    bias = np.where(np.arange(classes) == only, 0.0, -CERTAIN)
    return Solution(np.zeros((hidden, classes)), bias, np.zeros(hidden), np.ones(hidden), 0.0, 0, True)


def _kept(problem: Problem) -> Problem:
    """Return the items of positive weight in the order of their rows, so that equal sets of items are seen as such."""
    used = np.flatnonzero(problem.weights > 0)
    kept = problem.of(used[np.argsort(problem.rows[used], kind="stable")])
    return replace(
        kept,
        rows=kept.rows.astype(np.int64),
        labels=kept.labels.astype(np.float64),
        weights=kept.weights.astype(np.float64),
    )


def _solve_side_by_side(
    activations: Float[Array, "rows hidden"], problems: Sequence[Problem], shared: Iterable[list[int]]
) -> dict[int, Solution | Exception]:
    """Solve fits of which those in one list are to the same weighted items; return each by its position."""
    found: dict[int, Solution | Exception] = {}
    waiting: dict[tuple[Kind, torch.Size], list[Asked]] = defaultdict(list)
    for positions in shared:
        items = _kept(problems[positions[0]])
        try:
            design = make_design(activations[items.rows], items.weights)
        except FitError as error:
            found |= dict.fromkeys(positions, error)
            continue
        for kind, alike in _by_kind(problems, positions).items():
            key = kind, design.features.shape
            waiting[key].append(Asked(design, alike))
            if len(waiting[key]) == kind.designs(design):
                found |= _solve(kind, problems, waiting.pop(key))
        if sum(one.design.features.numel() for together in waiting.values() for one in together) > HELD:
            found |= _solve_waiting(problems, waiting)
    return found | _solve_waiting(problems, waiting)


@dataclass(frozen=True)
class Asked:
    """What is asked of one set of weighted items."""

    design: Design
    positions: list[int]
    """Positions of the problems."""


def _by_kind(problems: Sequence[Problem], positions: Iterable[int]) -> dict[Kind, list[int]]:
    """Return the positions of each kind, the smallest penalties first: they take the most steps."""
    kinds: dict[Kind, list[int]] = defaultdict(list)
    for position in sorted(positions, key=lambda one: problems[one].strength):
        kinds[kind_of(problems[position].objective, problems[position].labels.shape[1])].append(position)
    return kinds


def _solve_waiting(
    problems: Sequence[Problem], waiting: dict[tuple[Kind, torch.Size], list[Asked]]
) -> dict[int, Solution | Exception]:
    """Solve what waits; nothing waits after that."""
    found: dict[int, Solution | Exception] = {}
    while waiting:
        (kind, _), together = waiting.popitem()
        found |= _solve(kind, problems, together)
    return found


def _solve(kind: Kind, problems: Sequence[Problem], together: Sequence[Asked]) -> dict[int, Solution | Exception]:
    """Solve fits on designs of one shape."""
    owner = {position: asked.design for asked in together for position in asked.positions}
    # few at a time: each has its labels
    runs = [((one, _run(_kept(problems[one]))) for one in asked.positions) for asked in together]
    solved = kind.block([asked.design for asked in together]).solve(runs)
    return {position: _solution(owner[position], run, ended) for position, run, ended in solved}


def _run(problem: Problem) -> Run:
    fit = problem.settings
    steps = fit.steps if problem.objective.scheduled else fit.max_steps
    return Run(torch.from_numpy(problem.labels), problem.objective, problem.strength, steps, fit.tolerance)


def _solution(design: Design, run: Run, ended: Ended | Exception) -> Solution | Exception:
    if isinstance(ended, Exception):
        return ended
    try:
        loss = _loss(design, run, ended.parameters)
    except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; it stops its own fit)
        return error
    if not np.isfinite(loss):
        name, why = type(run.objective).__name__, why_lost(run.objective, run.labels)
        return FitError(f"{name}: the loss became {loss} at strength {run.strength}. {why}")
    weight = design.slopes(ended.parameters)
    # a column of its own: what is saved later is the memory behind an array, whatever its strides say
    bias = ended.parameters[:, design.directions].contiguous().numpy()
    return Solution(weight, bias, design.mean, design.scale, loss, ended.steps, ended.converged)


def _loss(design: Design, run: Run, parameters: Float[Tensor, "classes directions"]) -> float:
    """Return the weighted mean loss in nats at the end of the schedule."""
    logits = (design.features[: design.items] @ parameters.T).unsqueeze(0)
    labels = run.labels.unsqueeze(0)
    context = Context(1.0, statistics_of(run.objective, logits, labels))
    values = losses_of_examples(run.objective, logits, labels, context)
    return float(values.squeeze(0) @ design.shares[: design.items])
