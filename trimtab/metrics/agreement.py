"""Agreement of the student with its supervisor, where the supervisor is right and where it is wrong.

    agreement | right = sum_i w_i [a_i = y_i] [b_i = a_i] / sum_i w_i [a_i = y_i]     a supervisor, b student

and the same with [a_i != y_i] where it is wrong. Copying its errors is imitation; a student that generalises
agrees where it is right and less where it is wrong.

Burns et al. 2023, section 5.1  https://arxiv.org/abs/2312.09390
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.metrics.intervals import LEVEL, Interval, interval_method, mean_interval
from trimtab.metrics.metric import ratio
from trimtab.metrics.resample import Resample, Scores
from trimtab.types import Array


@dataclass(frozen=True)
class Agreement:
    """Share of items on which the student answers as its supervisor does."""

    when_weak_right: Interval
    when_weak_wrong: Interval
    n_right: tuple[int, ...]
    """Per seed, items on which the supervisor is right."""
    n_wrong: tuple[int, ...]
    """Per seed, items on which the supervisor is wrong."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "when_weak_right": self.when_weak_right.to_json(),
            "when_weak_wrong": self.when_weak_wrong.to_json(),
            "n_right": list(self.n_right),
            "n_wrong": list(self.n_wrong),
        }


def agreement(
    student: Float[Array, "seeds items classes"],
    supervisor: Float[Array, "seeds items classes"],
    gold: Int[Array, "items"],
    resample: Resample,
) -> Agreement:
    """Return how often the student answers as its supervisor, in [0, 1], split by whether that is right.

    Raises ValueError where the two have different shapes or do not fit the resample.
    """
    expected = (resample.seed_weights.shape[1], resample.item_weights.shape[1])
    if student.shape != supervisor.shape or student.shape[:2] != expected:
        raise ValueError(
            f"predictions of shapes {student.shape} and {supervisor.shape} do not fit a resample of "
            f"{expected[0]} seeds and {expected[1]} items"
        )
    answer = supervisor.argmax(-1)
    same = student.argmax(-1) == answer
    right = answer == gold
    shares = share_scores(same, right, resample), share_scores(same, ~right, resample)
    return agreement_of_scores(*shares, right.sum(1), (~right).sum(1), resample)


def agreement_of_scores(
    when_right: Scores,
    when_wrong: Scores,
    n_right: Int[Array, "seeds"],
    n_wrong: Int[Array, "seeds"],
    resample: Resample,
) -> Agreement:
    """Return the same from the shares of equal answers, and the numbers of items on which the supervisor is right."""
    return Agreement(
        _interval(when_right, resample, "right"),
        _interval(when_wrong, resample, "wrong"),
        tuple(n_right.tolist()),
        tuple(n_wrong.tolist()),
    )


def _interval(scores: Scores, resample: Resample, where: str) -> Interval:
    if np.isnan(scores.point).any():
        reason = f"With some seed there is no test item on which the supervisor is {where}."
        return Interval(None, None, None, LEVEL, interval_method(scores), reason)
    return mean_interval(scores, resample)


def share_scores(event: Bool[Array, "seeds items"], among: Bool[Array, "seeds items"], resample: Resample) -> Scores:
    """Return the share of items with the event among some items, per seed; nan where there are none."""
    hits = (event & among).T.astype(float)
    base = among.T.astype(float)
    draws = np.empty((len(resample.item_weights), len(event)))
    for place, weights in resample.chunks():
        draws[place] = ratio(weights @ hits, weights @ base)
    return Scores(ratio(hits.sum(0), base.sum(0)), draws, (0.0, 1.0))
