"""Conditional logit: one linear score for every choice, and a softmax over the choices of an item.

    p(c | x_i) = exp(z_ic) / sum_d exp(z_id),      z_ic = w' h(x_i, c) / scale
    minimise  sum_i s_i L(z_i, q_i)  +  lambda / 4 |w|^2,      s = item weights that sum to 1

There is no bias: it cancels, as does whatever all choices of an item share. Scale is the root mean square difference of
two choices of one item (`choice_design.py`). With it and the quarter, two choices are the probe on their difference
(`stages/pairs.py`) at the same lambda: its columns -v/2 and v/2 have the penalty lambda / 2 |W|^2 = lambda / 4 |v|^2.

Objectives without a schedule stop at a gradient tolerance, others take a stated number of steps, as for a probe; all
arithmetic is float64 on one thread.

McFadden 1974, conditional logit  https://eml.berkeley.edu/reprints/mcfadden/zarembka.pdf
Differs from it: soft labels, weights and the penalty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float, Int

from trimtab.errors import FitError
from trimtab.fit.bulk import Problem
from trimtab.fit.bulk_block import Block, Ended, Run, slots_of
from trimtab.fit.choice_design import ChoiceDesign, make_choice_design
from trimtab.fit.choice_features import ChoiceFeatures
from trimtab.fit.choice_slopes import ChoiceSlopes, tabled
from trimtab.fit.losses import LOST, losses_of_examples, statistics_of, why_lost
from trimtab.fit.probe import one_thread
from trimtab.types import Array, Context

SLOTS = slots_of(1)
"""Fits that a block takes at once."""


@dataclass(frozen=True)
class ChoiceHead:
    """A fitted score of choices."""

    weight: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name).flags.c_contiguous:
                raise ValueError(f"ChoiceHead.{field.name} has strides, which safetensors would write wrongly")

    def probabilities(
        self, seen: ChoiceFeatures, items: Int[Array, "items"], choices: int
    ) -> Float[Array, "items choices"]:
        """Return the probability of each choice of some items; those that an item does not have are exactly 0."""
        return choice_probabilities([self], seen, items, choices)[0]


@dataclass(frozen=True)
class FittedChoices:
    """A head and how its fit went."""

    head: ChoiceHead
    loss: float
    """Weighted mean loss in nats, without the penalty."""
    steps: int
    converged: bool


def choice_probabilities(
    heads: Sequence[ChoiceHead], seen: ChoiceFeatures, items: Int[Array, "items"], choices: int
) -> Float[Array, "runs items choices"]:
    """Return the probabilities of heads with one scale in common."""
    found = np.zeros((len(heads), len(items), choices))
    with one_thread():
        weight = torch.from_numpy(np.stack([one.weight / one.scale for one in heads], 1))
        for count, positions in seen.by_count(items):
            scores = torch.from_numpy(seen.centred(items[positions], count)) @ weight
            found[:, positions, :count] = scores.softmax(1).permute(2, 0, 1).numpy()
    return found


def fit_choices(seen: ChoiceFeatures, problems: Sequence[Problem]) -> list[FittedChoices | Exception]:
    """Fit many heads, those to the same weighted items as one problem; return each, or what stopped this one.

    The rows of a problem are items; those of weight 0 are left out.
    """
    found: dict[int, FittedChoices | Exception] = {}
    shared: dict[bytes, list[int]] = defaultdict(list)
    kept = [_kept(one) for one in problems]
    for position, problem in enumerate(kept):
        if len(problem.rows):
            shared[sha256(problem.rows.tobytes() + problem.weights.tobytes()).digest()].append(position)
        else:
            message = "there is no item with a positive weight to fit a head on; keep more of the labels"
            found[position] = FitError(message)
    with one_thread():
        for positions in shared.values():
            together = _fit_shared(seen, [kept[one] for one in positions])
            found |= dict(zip(positions, together, strict=True))
    return [found[position] for position in range(len(problems))]


def _kept(problem: Problem) -> Problem:
    """Return the items of positive weight in the order of their rows."""
    used = np.flatnonzero(problem.weights > 0)
    return problem.of(used[np.argsort(problem.rows[used], kind="stable")])


def _fit_shared(seen: ChoiceFeatures, problems: Sequence[Problem]) -> list[FittedChoices | Exception]:
    try:
        made = make_choice_design(seen, problems[0].rows, problems[0].weights.astype(np.float64))
    except FitError as error:
        return [error] * len(problems)
    found: dict[int, FittedChoices | Exception] = {}
    runs: dict[bool, list[tuple[int, Run]]] = {False: [], True: []}
    for position, problem in enumerate(problems):
        try:
            runs[problem.objective.scheduled].append((position, _run(made, problem)))
        except FitError as error:
            found[position] = error
    for scheduled, asked in runs.items():
        if asked:
            block = _block(made, scheduled)
            for position, run, ended in block.solve([iter(asked)]):
                found[position] = _fitted(made, run, ended)
    return [found[position] for position in range(len(problems))]


def _run(made: ChoiceDesign, problem: Problem) -> Run:
    fit = problem.settings
    steps = fit.steps if problem.objective.scheduled else fit.max_steps
    return Run(made.flat(problem.labels), problem.objective, problem.strength, steps, fit.tolerance)


def _block(made: ChoiceDesign, scheduled: bool) -> Block:
    design = made.design
    slopes = ChoiceSlopes(SLOTS, made.spans, len(design.features))
    # one column for "two classes": the block then takes half the penalty and half the bound
    return Block([design], 1, 2, slopes, scheduled)


def _fitted(made: ChoiceDesign, run: Run, ended: Ended | Exception) -> FittedChoices | Exception:
    if isinstance(ended, Exception):
        return ended
    column = ended.parameters[1] - ended.parameters[0]
    try:
        loss = _loss(made, run, column)
    except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; it stops its own fit)
        return error
    if not np.isfinite(loss):
        name = type(run.objective).__name__
        return FitError(f"{name}: the loss became {loss} at strength {run.strength}. {_why(made, run)}")
    weight = np.ascontiguousarray(made.design.slopes(column.unsqueeze(0))[:, 0])
    return FittedChoices(ChoiceHead(weight, made.design.scale), loss, ended.steps, ended.converged)


def _loss(made: ChoiceDesign, run: Run, column: torch.Tensor) -> float:
    """Return the weighted mean loss in nats at the end of the schedule."""
    logits, total = made.design.features @ column, 0.0
    for span in made.spans:
        seen, told = tabled(span, logits), tabled(span, run.labels)
        context = Context(1.0, statistics_of(run.objective, seen, told))
        values = losses_of_examples(run.objective, seen, told, context).squeeze(0)
        total += float(values @ made.design.shares[span.first : span.end : span.count])
    return total


def _why(made: ChoiceDesign, run: Run) -> str:
    """Return why a fit ran away, from the first items for which the objective is to blame."""
    tables = (tabled(span, run.labels).squeeze(0) for span in made.spans)
    return next((why for one in tables if (why := why_lost(run.objective, one)) != LOST), LOST)
