"""The slope of every item's loss in the logits of its choices, for the runs of a block on ragged choices.

    naive:    dL_i/dz_ic = p_ic - q_ic,      p_i = softmax over the choices of item i
    others:   by automatic differentiation

Items with equally many choices are taken together, as a table of items and choices without a gap: an objective sees of
an item what it would see if all items had as many, and nothing has to be masked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.fit.choice_design import Span
from trimtab.fit.losses import losses_of_examples, statistics_of
from trimtab.objectives.naive import Naive
from trimtab.types import Context, Objective


class ChoiceSlopes:
    """Slopes of a block's runs; satisfies `bulk_slopes.Slopes` with one column of logits, one for each choice."""

    def __init__(self, runs: int, spans: Sequence[Span], filled: int) -> None:
        """Make room for so many runs; every slot is empty, with labels at which nothing moves."""
        self.errors: dict[int, Exception] = {}
        self._spans = spans
        self._even = torch.zeros(filled, dtype=torch.float64)
        for span in spans:
            self._even[span.first : span.end] = 1 / span.count
        self._labels = self._even.repeat(runs, 1)
        self._slopes = torch.zeros(runs, 1, filled, dtype=torch.float64)
        self._others: dict[int, tuple[Tensor, Objective]] = {}

    def place(self, slot: int, labels: Float[Tensor, "rows"] | None, objective: Objective | None) -> None:
        """Give a slot to a run, or empty it."""
        self.errors.pop(slot, None)
        self._others.pop(slot, None)
        self._labels[slot] = self._even
        if labels is None or objective is None:
            return
        if type(objective) is Naive:  # a subclass may have changed the formula
            self._labels[slot, : len(labels)] = labels
        else:
            self._others[slot] = (labels, objective)

    def __call__(
        self, logits: Float[Tensor, "runs one rows"], progress: Sequence[float]
    ) -> Float[Tensor, "runs one rows"]:
        """Return dL/dlogits; rows beyond the last choice are filling."""
        for span in self._spans:
            inside = slice(span.first, span.end)
            table = logits[:, 0, inside].unflatten(1, (len(span.positions), span.count))
            self._slopes[:, 0, inside] = table.softmax(-1).flatten(1)
        self._slopes[:, 0] -= self._labels
        for slot, (labels, objective) in self._others.items():
            try:
                found = self._differentiated(objective, logits[slot, 0], labels, progress[slot])
            except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; it stops its own run)
                self.errors[slot] = error
                continue
            self._slopes[slot, 0, : len(found)] = found
        return self._slopes

    def _differentiated(self, objective: Objective, logits: Tensor, labels: Tensor, share: float) -> Tensor:
        found = torch.empty_like(labels)
        for span in self._spans:
            seen, told = tabled(span, logits), tabled(span, labels)
            seen.requires_grad_(True)
            context = Context(share, statistics_of(objective, seen.detach(), told))
            values = losses_of_examples(objective, seen, told, context)
            (slope,) = torch.autograd.grad(values.sum(), seen)
            found[span.first : span.end] = slope.reshape(-1)
        return found


def tabled(span: Span, flat: Float[Tensor, "rows"]) -> Float[Tensor, "one items choices"]:
    """Return a copy of a span's rows as a table of items and choices, for one run."""
    return flat[span.first : span.end].detach().clone().reshape(1, len(span.positions), span.count)
