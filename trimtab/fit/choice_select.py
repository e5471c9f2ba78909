"""Choose the penalty of a score of choices, as `select.py` does for a probe: by held-out cross-entropy to the labels.

strength* = argmin_lambda  sum_i w_i CE(q_i, p_i^(-fold(i), lambda)) / sum_i w_i          ties: the stronger penalty
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from trimtab.errors import FitError
from trimtab.fit.bulk import Problem
from trimtab.fit.choice_features import ChoiceFeatures
from trimtab.fit.choice_probe import FittedChoices, choice_probabilities, fit_choices
from trimtab.fit.folds import fold_of_items
from trimtab.fit.select import Question, Selection
from trimtab.types import Array


def select_choices(seen: ChoiceFeatures, questions: Sequence[Question]) -> list[Selection | Exception]:
    """Answer many questions on one table of choices; related items share a fold."""
    asked = [_folded(one) for one in questions]
    problems = [problem for one in asked if not isinstance(one, Exception) for problem in _problems(*one)]
    fits = iter(fit_choices(seen, problems))
    return [
        one if isinstance(one, Exception) else _chosen(seen, *one, list(islice(fits, _fits(one[0])))) for one in asked
    ]


def _folded(question: Question) -> tuple[Question, Array] | FitError:
    """Return a question without its items of weight 0, and their folds."""
    kept = question.of(question.weights > 0)
    try:
        return kept, fold_of_items(kept.groups, kept.settings.folds, kept.seed)
    except FitError as error:
        return error


def _strengths(question: Question) -> list[float]:
    return sorted(set(question.settings.strengths), reverse=True)


def _fits(question: Question) -> int:
    return question.settings.folds * len(_strengths(question))


def _problems(question: Question, fold: Array) -> list[Problem]:
    """Return the fits of each fold, by decreasing strength."""
    settings = replace(question.settings, tolerance=question.settings.select_tolerance)
    inside = [question.of(fold != held_out) for held_out in range(settings.folds)]
    return [
        Problem(one.rows, one.labels, one.weights, question.objective, strength, settings)
        for one in inside
        for strength in _strengths(question)
    ]


def _chosen(
    seen: ChoiceFeatures, asked: Question, fold: Array, fits: Sequence[FittedChoices | Exception]
) -> Selection | Exception:
    strengths = _strengths(asked)
    losses = np.zeros((len(strengths), len(asked.rows)))
    for held_out in range(asked.settings.folds):
        heads = []
        for one in fits[held_out * len(strengths) : (held_out + 1) * len(strengths)]:
            if isinstance(one, Exception):
                return one
            heads.append(one.head)
        outside = fold == held_out
        predicted = choice_probabilities(heads, seen, asked.rows[outside], asked.labels.shape[1])
        losses[:, outside] = -(asked.labels[outside] * np.log(np.maximum(predicted, 1e-300))).sum(-1)
    scores = (losses * asked.weights).sum(1) / asked.weights.sum()
    best = int(np.argmin(scores))  # the first minimum is the strongest penalty among equals
    at_edge = len(strengths) > 1 and best in (0, len(strengths) - 1)
    return Selection(strengths[best], dict(zip(strengths, scores.tolist(), strict=True)), at_edge)
