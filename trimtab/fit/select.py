"""Choose a probe's penalty by cross-validated cross-entropy to the labels that were given, never by ground truth.

    strength* = argmin_lambda  sum_i w_i CE(q_i, p_i^(-fold(i), lambda)) / sum_i w_i          ties: the stronger penalty

The standardisation is fitted again inside each fold; related items (of one group or template, or near duplicates)
stay in one fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.errors import FitError
from trimtab.fit.bulk import Lesson, Problem
from trimtab.fit.folds import fold_of_items
from trimtab.fit.probe import Fitted, fit_probes, probabilities_of
from trimtab.fit.probe_settings import Probe
from trimtab.types import Array, Objective


@dataclass(frozen=True)
class Selection:
    """The chosen penalty and what it was chosen from."""

    strength: float
    held_out_nats: dict[float, float]
    """Held-out cross-entropy in nats of each candidate."""
    at_edge: bool
    """Whether the choice is the smallest or largest candidate, so that a better one may lie outside the grid."""


@dataclass(frozen=True)
class Question(Lesson):
    """One choice of a penalty for a lesson."""

    groups: Int[Array, "items"]
    """Numbers of the groups of related items."""
    settings: Probe
    seed: int

    def of(self, items: Int[Array, "some"] | Bool[Array, "items"]) -> Self:
        """Return the same of some of its items."""
        return replace(super().of(items), groups=self.groups[items])


def select_strength(
    activations: Float[Array, "items hidden"],
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    groups: Int[Array, "items"],
    objective: Objective,
    settings: Probe,
    seed: int,
) -> Selection:
    """Return the penalty with the lowest held-out cross-entropy in nats to the given labels.

    Raises FitError where no item has a weight, or there are fewer groups than folds.
    """
    rows = np.arange(len(activations))
    question = Question(rows, labels, weights, objective, np.asarray(groups), settings, seed)
    (chosen,) = select_strengths(activations, [question])
    if isinstance(chosen, Exception):
        raise chosen
    return chosen


def select_strengths(
    activations: Float[Array, "rows hidden"], questions: Sequence[Question]
) -> list[Selection | Exception]:
    """Answer many questions on one matrix, all their folds and candidates as one problem."""
    asked = [_folded(one) for one in questions]
    problems = [one for folded in asked if isinstance(folded, _Folded) for one in folded.problems()]
    fits = iter(fit_probes(activations, problems))
    return [
        _chosen(activations, folded, list(islice(fits, folded.fits))) if isinstance(folded, _Folded) else folded
        for folded in asked
    ]


@dataclass(frozen=True)
class _Folded:
    """A question without the items of weight 0, with its folds."""

    question: Question
    fold: Int[Array, "items"]
    strengths: tuple[float, ...]

    @property
    def fits(self) -> int:
        return self.question.settings.folds * len(self.strengths)

    def problems(self) -> Iterator[Problem]:
        """The fits of each fold, by decreasing strength."""
        asked = self.question
        settings = replace(asked.settings, tolerance=asked.settings.select_tolerance)
        for held_out in range(settings.folds):
            inside = asked.of(self.fold != held_out)
            for strength in self.strengths:
                yield Problem(inside.rows, inside.labels, inside.weights, asked.objective, strength, settings)


def _folded(question: Question) -> _Folded | FitError:
    kept = question.of(question.weights > 0)
    try:
        fold = fold_of_items(kept.groups, kept.settings.folds, kept.seed)
    except FitError as error:
        return error
    return _Folded(kept, fold, tuple(sorted(set(kept.settings.strengths), reverse=True)))


def _chosen(
    activations: Float[Array, "rows hidden"], folded: _Folded, fits: Sequence[Fitted | Exception]
) -> Selection | Exception:
    asked, strengths = folded.question, folded.strengths
    losses = np.zeros((len(strengths), len(asked.rows)))
    for held_out in range(asked.settings.folds):
        outside = folded.fold == held_out
        heads = []
        for fitted in fits[held_out * len(strengths) : (held_out + 1) * len(strengths)]:
            if isinstance(fitted, Exception):
                return fitted
            heads.append(fitted.head)
        predicted = probabilities_of(heads, activations[asked.rows[outside]])
        losses[:, outside] = -(asked.labels[outside] * np.log(np.maximum(predicted, 1e-300))).sum(-1)
    scores = (losses * asked.weights).sum(1) / asked.weights.sum()
    best = int(np.argmin(scores))  # the first minimum is the strongest penalty among equals
    at_edge = len(strengths) > 1 and best in (0, len(strengths) - 1)
    return Selection(strengths[best], dict(zip(strengths, scores.tolist(), strict=True)), at_edge)
