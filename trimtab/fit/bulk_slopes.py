"""The slope of every example's loss in its logits, for the runs of a block.

    L = (1 - w) CE(q, p) + w CE(h, p)        dL/dlogits = p - q - w (h - q)       h fixed, rows of q and h sum to 1

is the naive objective (w = 0) and auxiliary confidence (h = the student's own balanced hard labels, w by the
schedule). All other objectives are differentiated automatically, one run at a time, which tests hold the closed form
to as well. Two classes in closed form have one column of logits, z = log p_1 - log p_0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.fit.losses import losses_of_examples, statistics_of
from trimtab.objectives.class_balance import balanced_offset, balanced_threshold, class_quotas
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.types import Context, Objective

Mixing = Callable[[float], float]
"""The weight w of the student's own hard labels at a share of the fit."""


def mixing_of(objective: Objective) -> Mixing | None:
    """Return w(progress) of an objective whose slope is known in closed form; none for all others.

    By exact type: a subclass may have changed the formula.
    """
    if type(objective) is Naive:
        return lambda progress: 0.0
    if type(objective) is Confidence:
        return objective.weight
    return None


def steady_from(objective: Objective) -> float:
    """Return from which share of a fit on an objective with a schedule stays as it is; infinite where that is unknown.

    By exact type, as above.
    """
    return objective.warm_up if type(objective) is Confidence else inf


class Slopes(Protocol):
    """The slopes of a block's runs, step after step; what is remembered makes them faster, never different."""

    errors: dict[int, Exception]
    """What stopped single runs, by slot."""

    def place(self, slot: int, labels: Float[Tensor, "items classes"] | None, objective: Objective | None) -> None:
        """Give a slot to a run, or empty it."""
        ...

    def __call__(
        self, logits: Float[Tensor, "runs columns items"], progress: Sequence[float]
    ) -> Float[Tensor, "runs columns items"]:
        """Return dL/dlogits; items beyond the labelled ones are filling."""
        ...


class ClosedForm:
    """Slopes of cross-entropies to weak labels mixed with the student's own."""

    def __init__(self, runs: int, classes: int, items: Sequence[int], filled: int) -> None:
        """Make room for so many runs on each set of so many items; an empty slot has labels at which nothing moves."""
        self.errors: dict[int, Exception] = {}
        self._classes, self._filled = classes, filled
        self._items = [count for count in items for _ in range(runs)]
        runs = len(self._items)
        shape = (runs, 1 if classes == 2 else classes, filled)
        self._rooms = {kind: _Room(shape, classes, kind) for kind in (torch.float64, torch.float32)}
        self._mixing: dict[int, Mixing] = {}
        self._prior = torch.full((runs, classes), 1 / classes, dtype=torch.float64)
        self._positives = np.zeros(runs, dtype=np.int64)
        self._threshold = torch.zeros(runs, 1, 1, dtype=torch.float64)
        self._above = np.zeros(runs)

    def place(self, slot: int, labels: Float[Tensor, "items classes"] | None, objective: Objective | None) -> None:
        """Give a slot to a run, or empty it."""
        self._mixing.pop(slot, None)
        if labels is None or objective is None:
            for room in self._rooms.values():
                room.labels[slot] = 1 / self._classes
            return
        for room in self._rooms.values():
            room.labels[slot, :, : len(labels)] = labels[:, 1] if self._classes == 2 else labels.T
        mixing = mixing_of(objective)
        if mixing is None or not objective.scheduled:  # it asks for no hard labels
            return
        self._mixing[slot] = mixing
        self._prior[slot] = labels.mean(0)
        self._positives[slot] = class_quotas(self._prior[slot], len(labels))[1]
        self._place_threshold(slot, 0.0)

    def __call__(
        self, logits: Float[Tensor, "runs columns items"], progress: Sequence[float]
    ) -> Float[Tensor, "runs columns items"]:
        """Return p - (1 - w) q - w h, in the precision of the logits."""
        room = self._rooms[logits.dtype]
        if self._classes == 2:
            torch.sigmoid(logits, out=room.slopes)
        else:
            torch.softmax(logits, 1, out=room.slopes)
        mixed = {slot: w(progress[slot]) for slot, w in self._mixing.items()}
        asked = [slot for slot, w in mixed.items() if w > 0]
        if not asked:
            return room.slopes.sub_(room.labels)
        own = torch.tensor([mixed.get(slot, 0.0) for slot in range(len(progress))], dtype=logits.dtype)
        own = own.reshape(-1, 1, 1)
        room.slopes.addcmul_(room.labels, 1 - own, value=-1)
        (self._harden_binary if self._classes == 2 else self._harden)(logits, asked, room.hard)
        return room.slopes.addcmul_(room.hard, own, value=-1)

    def _place_threshold(self, slot: int, threshold: float) -> None:
        """Remember a threshold, and how many logits are to lie above it: those of filling are 0."""
        self._threshold[slot] = threshold
        self._above[slot] = self._positives[slot] + (self._filled - self._items[slot]) * (threshold < 0)

    def _harden_binary(self, logits: Tensor, asked: list[int], hard: Tensor) -> None:
        """Mark so many items as the weak labels' class balance has positives; the last threshold mostly still does."""
        torch.gt(logits, self._threshold.to(logits.dtype), out=hard)
        wrong = hard.sum((1, 2)).numpy() != self._above
        for slot in asked:
            if wrong[slot]:
                log_odds = logits[slot, :, : self._items[slot]].numpy()
                self._place_threshold(slot, float(balanced_threshold(log_odds, self._positives[slot : slot + 1])[0]))
                torch.gt(logits[slot], self._threshold[slot].to(logits.dtype), out=hard[slot])

    def _harden(self, logits: Tensor, asked: list[int], hard: Tensor) -> None:
        for slot in asked:
            log_p = logits[slot, :, : self._items[slot]].double().log_softmax(0)
            offset = balanced_offset(log_p.T, self._prior[slot])
            own = (log_p + offset.unsqueeze(1)).argmax(0)
            hard[slot] = 0
            hard[slot].scatter_(0, own.unsqueeze(0), 1.0)


class _Room:
    """What the slopes of one precision are computed in."""

    def __init__(self, shape: tuple[int, int, int], classes: int, kind: torch.dtype) -> None:
        self.labels = torch.full(shape, 1 / classes, dtype=kind)
        self.hard = torch.zeros_like(self.labels)
        self.slopes = torch.zeros_like(self.labels)


class Automatic:
    """Slopes of any objective by automatic differentiation; one run after the other, each on tensors of one shape."""

    def __init__(self, runs: int, classes: int, filled: int) -> None:
        """Make room for so many runs; every slot is empty."""
        self.errors: dict[int, Exception] = {}
        self._slopes = torch.zeros(runs, classes, filled, dtype=torch.float64)
        self._runs: dict[int, tuple[Tensor, Objective]] = {}

    def place(self, slot: int, labels: Float[Tensor, "items classes"] | None, objective: Objective | None) -> None:
        """Give a slot to a run, or empty it."""
        self.errors.pop(slot, None)
        self._runs.pop(slot, None)
        self._slopes[slot] = 0
        if labels is not None and objective is not None:
            self._runs[slot] = (labels, objective)

    def __call__(
        self, logits: Float[Tensor, "runs classes items"], progress: Sequence[float]
    ) -> Float[Tensor, "runs classes items"]:
        """Return the gradient of each run's summed loss."""
        for slot, (labels, objective) in self._runs.items():
            try:
                own = logits[slot, :, : len(labels)].double().T
                found = _differentiated(objective, own, labels, progress[slot])
            except Exception as error:  # noqa: BLE001  (a user's own objective may raise anything; it stops its own run)
                self.errors[slot] = error
                continue
            self._slopes[slot, :, : len(labels)] = found.T
        return self._slopes.to(logits.dtype)


def _differentiated(
    objective: Objective, logits: Float[Tensor, "items classes"], labels: Float[Tensor, "items classes"], share: float
) -> Float[Tensor, "items classes"]:
    seen = logits.clone(memory_format=torch.contiguous_format).unsqueeze(0)
    context = Context(share, statistics_of(objective, seen, labels.unsqueeze(0)))
    seen.requires_grad_(True)
    values = losses_of_examples(objective, seen, labels.unsqueeze(0), context)
    (slope,) = torch.autograd.grad(values.sum(), seen)
    return slope.squeeze(0)
