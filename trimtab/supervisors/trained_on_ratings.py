"""Trained on ratings: a weak model that has learnt what people said, one rating or a few of each item.

    q_i = M(x_i),    M = argmin sum over the supervisor split of CE(r_i, M(x_i)) + penalty
    r_i = what `crowd` human ratings of item i say (see human_ratings)

A model that never saw the truth, only people: it averages their errors out over items that look alike, and adds its
own.

Hutto and Gilbert 2014 (the ratings)  https://ojs.aaai.org/index.php/ICWSM/article/view/14550; learning from one label
an item: Natarajan et al. 2013  https://papers.nips.cc/paper/5073-learning-with-noisy-labels
Differs from the latter: the loss is the plain cross-entropy, without a correction for known error rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.learner import Learner
from trimtab.types import Truth


@dataclass(frozen=True)
class TrainedOnRatings:
    """A weak model whose supervisor split was labelled by people, for tasks that hold single ratings."""

    model: Learner
    """The weak model, written like an entry of `weak`."""
    crowd: int = 1
    """Ratings drawn per item and seed, at least 1 and at most the task's `held_ratings`."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "trained_on_ratings"

    def __post_init__(self) -> None:
        if self.crowd < 1:
            raise ValueError(f"crowd must be at least 1, found {self.crowd}")
