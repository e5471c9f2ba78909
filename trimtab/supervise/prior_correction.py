"""Prior correction: shift all labels by one offset per class until their mean is a given class balance.

    q_ic' = b_c q_ic / sum_k b_k q_ik,      b such that  sum_i w_i q_ic' / sum_i w_i = prior_c

Saerens et al. 2002, equation 4 (there for known priors, b_c = prior_c / old prior_c)
https://doi.org/10.1162/089976602753284446
EleutherAI/w2s, `balance_batch`, shifts a batch's log-odds by their mean to the same end  https://github.com/EleutherAI/w2s
Differs from both: b is solved so that the mean is met exactly, over all items that still count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from trimtab.errors import FitError
from trimtab.types import Array, Labels, Truth

ROUNDS, TOLERANCE = 500, 1e-10


def with_prior(
    probabilities: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    prior: Float[Array, "classes"],
) -> Float[Array, "items classes"]:
    """Return the labels shifted by class so that their weighted mean is the prior.

    Raises FitError where no shift does that: a class without any probability, or certain labels of another balance.
    """
    shares = weights / weights.sum()
    offset = np.zeros(len(prior))
    for _ in range(ROUNDS):
        shifted = probabilities * np.exp(offset - offset.max())
        shifted = shifted / shifted.sum(1, keepdims=True)
        mean = shares @ shifted
        if np.abs(mean - prior).max() <= TOLERANCE:
            return shifted
        if (mean <= 0).any():
            break
        # Newton's method; a step that changes no log-odds by more than 1 always comes nearer
        curvature = np.diag(mean) - (shares[:, None] * shifted).T @ shifted
        step = np.linalg.lstsq(curvature, prior - mean)[0]
        offset += step / max(1.0, np.ptp(step))
    raise FitError(
        f"prior_correction: the labels' mean is {(shares @ probabilities).round(3).tolist()} and no shift by class "
        f"makes it {prior.round(3).tolist()}; labels of 0 and 1 cannot be shifted: choose another "
        "prior, or leave the step out"
    )


@dataclass(frozen=True)
class PriorCorrection:
    """Give the labels a class balance that is known from elsewhere."""

    prior: tuple[float, ...] | Literal["uniform"] = "uniform"
    """Wanted mean probability of each class, in the order of the task's classes, above 0 and summing to 1; `uniform`
    gives every class the same."""

    truth: ClassVar[Truth] = "none"

    def __post_init__(self) -> None:
        if self.prior == "uniform":
            return
        if isinstance(self.prior, str) or not all(0 < one < 1 for one in self.prior) or abs(sum(self.prior) - 1) > 1e-6:
            raise ValueError(f"prior must be `uniform` or shares above 0 that sum to 1, found {self.prior}")

    def __call__(self, labels: Labels) -> Labels:
        """Return the labels with the wanted mean; weights stay.

        Raises FitError where the prior has another number of classes, or cannot be reached.
        """
        classes = labels.probabilities.shape[1]
        prior = np.full(classes, 1 / classes) if self.prior == "uniform" else np.array(self.prior)
        if len(prior) != classes:
            raise FitError(f"prior_correction: prior has {len(prior)} shares, the task {classes} classes")
        return replace(labels, probabilities=with_prior(labels.probabilities, labels.weights, prior))
