"""Ridge regression of one number on standardised features, in closed form, its penalty chosen over groups.

    minimise  sum_i (y_i - w'z_i - b)^2 / n + lambda |w|^2          z_i = (x_i - mean) / scale
    w = (Z'Z / n + lambda I)^-1 Z'(y - mean y) / n,   b = mean y

All arithmetic is float64, on one thread. One eigendecomposition of Z'Z / n serves all penalties. A feature that does
not vary has weight 0. Targets that are all equal give exactly their value, whatever is read.

Hoerl and Kennard 1970  https://doi.org/10.1080/00401706.1970.10488634
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.folds import fold_of_items
from trimtab.fit.probe import one_thread
from trimtab.types import Array


@dataclass(frozen=True)
class Ridge:
    """A fitted linear function of features."""

    weight: Float[Array, "hidden"]
    bias: float
    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]

    def predict(self, features: Float[Array, "items hidden"]) -> Float[Array, "items"]:
        """Return the value of each row, in the unit of the targets."""
        with one_thread():
            given = (torch.from_numpy(features).double() - torch.from_numpy(self.mean)) / torch.from_numpy(self.scale)
            return (given @ torch.from_numpy(self.weight)).numpy() + self.bias


@dataclass(frozen=True)
class RidgeChoice:
    """The penalty that was chosen, and what it was chosen from."""

    strength: float
    held_out_error: dict[float, float]
    """Mean squared error of each candidate on items of other groups."""
    at_edge: bool
    """Whether the choice is the smallest or largest candidate."""


def fit_ridge(
    features: Float[Array, "items hidden"], targets: Float[Array, "items"], strengths: Sequence[float]
) -> list[Ridge]:
    """Return the fit of each penalty. Raises FitError where there is nothing to fit, or a number is not finite.

    >>> found = fit_ridge(np.array([[-1.0], [1.0]]), np.array([1.0, 5.0]), [1.0])[0]
    >>> found.weight.tolist(), found.bias
    ([1.0], 3.0)
    """
    if not len(targets) or not np.isfinite(features).all() or not np.isfinite(targets).all():
        raise FitError(f"{len(targets)} targets and their features cannot be fitted; wanted one or more finite ones")
    if not strengths or not all(0 < one < math.inf for one in strengths):
        raise FitError(f"strengths are {list(strengths)}; wanted one or more numbers above 0")
    with one_thread():
        return _solve(torch.from_numpy(features).double(), torch.from_numpy(targets).double(), strengths)


def _solve(
    given: Float[Tensor, "items hidden"], wanted: Float[Tensor, "items"], strengths: Sequence[float]
) -> list[Ridge]:
    mean, scale = given.mean(0), given.std(0, correction=0)
    standard = torch.where(scale > 0, (given - mean) / scale, 0.0)
    scale = torch.where(scale > 0, scale, 1.0)
    bias = wanted[0] + (wanted - wanted[0]).mean()  # exact where all are equal
    values, vectors = torch.linalg.eigh(standard.T @ standard / len(wanted))
    along = vectors.T @ (standard.T @ (wanted - bias) / len(wanted))
    weights = [vectors @ (along / (values.clamp_min(0) + strength)) for strength in strengths]
    return [Ridge(one.numpy(), float(bias), mean.numpy(), scale.numpy()) for one in weights]


def choose_ridge(
    features: Float[Array, "items hidden"],
    targets: Float[Array, "items"],
    groups: Int[Array, "items"],
    strengths: Sequence[float],
    folds: int,
    seed: int,
) -> RidgeChoice:
    """Return the penalty with the least squared error on items of groups that were left out; ties: the stronger.

    Raises FitError where there are fewer groups than folds.
    """
    fold, tried = fold_of_items(groups, folds, seed), sorted(set(strengths), reverse=True)
    errors = np.zeros((len(tried), len(targets)))
    for held_out in range(folds):
        outside = fold == held_out
        for row, fitted in enumerate(fit_ridge(features[~outside], targets[~outside], tried)):
            errors[row, outside] = (targets[outside] - fitted.predict(features[outside])) ** 2
    scores = errors.mean(1)
    best = int(np.argmin(scores))  # the first minimum is the strongest penalty among equals
    at_edge = len(tried) > 1 and best in (0, len(tried) - 1)
    return RidgeChoice(tried[best], dict(zip(tried, scores.tolist(), strict=True)), at_edge)
