"""AdaBoost: each weak model looks harder at what those before it got wrong.

    e_t = sum_i w_i [h_t(x_i) != y_i] / sum_i w_i        a_t = log((1 - e_t) / e_t) + log(C - 1)
    w_i <- w_i exp(a_t [h_t(x_i) != y_i])                q_i = sum_t a_t q_i^(t) / sum_t a_t

Hastie et al. 2009 (SAMME; two classes: AdaBoost)  https://doi.org/10.4310/SII.2009.v2.n3.a8; as a weak-to-strong
supervisor: Agrawal et al. 2024, EnsemW2S  https://arxiv.org/abs/2410.04571
Differs from the latter, whose own text was not at hand: any number of classes; a member that is not better than chance
gets no voice, and the weights begin again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from trimtab.learner import Learner
from trimtab.types import Array, Truth

LEAST_ERROR = 1e-4
"""Error rate below which a member's voice grows no more."""


def member_voice(wrong: Bool[Array, "items"], weights: Float[Array, "items"], classes: int) -> float:
    """Return a_t; 0 for a member that is not better than chance."""
    error = max(float(weights @ wrong / weights.sum()), LEAST_ERROR)
    if error >= 1 - 1 / classes:
        return 0.0
    return float(np.log((1 - error) / error) + np.log(classes - 1))


def boosted(wrong: Bool[Array, "items"], weights: Float[Array, "items"], classes: int) -> Float[Array, "items"]:
    """Return the next member's item weights, with mean 1."""
    voice = member_voice(wrong, weights, classes)
    raised = weights * np.exp(voice * wrong) if voice > 0 else np.ones(len(weights))
    return raised / raised.mean()


def voted(
    probabilities: Float[Array, "members items classes"], voices: Float[Array, "members"]
) -> Float[Array, "items classes"]:
    """Return the members' mean by voice; all count alike where none has one."""
    voices = voices if voices.sum() > 0 else np.ones(len(voices))
    return np.tensordot(voices / voices.sum(), probabilities, 1)


@dataclass(frozen=True)
class AdaBoost:
    """A sequence of one weak model, each trained on the supervisor split with the errors before it weighing more."""

    model: Learner
    """The weak model, written like an entry of `weak`."""
    rounds: int = 5
    """Members, at least 2; 5 is our choice."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "adaboost"

    def __post_init__(self) -> None:
        if self.rounds < 2:
            raise ValueError(f"rounds must be at least 2, found {self.rounds}")
