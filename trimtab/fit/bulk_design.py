"""The activations of one set of weighted items, standardised and turned into the eigenbasis of their second moment.

    x~_i = (x_i - mean) / scale          M = sum_i s_i x~_i x~_i' = V diag(m) V',   s = w / sum w
    f_i = [V' x~_i, 1]                   so that  sum_i s_i f_i f_i' = diag(m, 1)

mean and scale are those of the weighted items, so that slopes and bias have no curvature in common. With fewer items
than activations the same comes from the items' side: B = diag(s)^1/2 X~,  B B' = U diag(m) U',  V = B' U diag(m)^-1/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.errors import FitError
from trimtab.types import Array

LANE = 16
"""Items and directions are filled up with zeros to multiples of it, so that no value is computed in the remainder of a
vectorised loop, where the last bit may differ."""


@dataclass(frozen=True)
class Design:
    """What all fits to the same weighted items share."""

    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]
    features: Float[Tensor, "items directions"]
    """f, filled up with zeros; the column after the last direction is the bias."""
    moments: Float[Tensor, "directions"]
    """m, then 1 for the bias and for what was filled up."""
    shares: Float[Tensor, "items"]
    """s, then 0 for the items that were filled up."""
    items: int
    directions: int
    """Directions in which the items vary, without the bias."""
    _basis: tuple[Tensor, ...]

    def slopes(self, parameters: Float[Tensor, "columns directions"]) -> Float[Array, "hidden columns"]:
        """Return the columns' slopes per standardised activation."""
        found = parameters[:, : self.directions].T
        for factor in reversed(self._basis):
            found = factor @ found
        return found.contiguous().numpy()


def make_design(activations: Float[Array, "items hidden"], weights: Float[Array, "items"]) -> Design:
    """Standardise with the items' weights and find the directions in which they vary.

    Raises FitError where an activation is not finite.
    """
    values = torch.from_numpy(activations.astype(np.float64))
    if not bool(torch.isfinite(values).all()):
        rows = int((~torch.isfinite(values)).any(1).sum())
        raise FitError(
            f"the activations of {rows} of {len(values)} items hold NaN or infinity; "
            "use another layer or `precision: fp32`"
        )
    shares = torch.from_numpy(weights.astype(np.float64) / weights.sum())
    # torch's products, not numpy's: only the former are held to one thread
    mean = shares @ values
    values -= mean
    deviation = (shares @ values.square()).sqrt()
    # a constant feature has no direction to learn: scale 1 leaves its centred value at 0
    scale = torch.where(deviation > 1e-12 * mean.abs().clamp(min=1), deviation, 1.0)
    values /= scale
    items, hidden = values.shape
    moments, inner, basis = (_by_items if items < hidden else _by_activations)(values, shares)
    directions = len(moments)
    features = torch.zeros(_filled(items), _filled(directions + 1), dtype=torch.float64)
    features[:items, :directions] = inner
    features[:items, directions] = 1
    return Design(
        mean.numpy(),
        scale.numpy(),
        features,
        torch.cat([moments, torch.ones(features.shape[1] - directions, dtype=torch.float64)]),
        torch.cat([shares, torch.zeros(len(features) - items, dtype=torch.float64)]),
        items,
        directions,
        basis,
    )


def _filled(count: int) -> int:
    return -(-count // LANE) * LANE


def _by_activations(standard: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the moments, the items in the basis, and the factors of the basis."""
    rooted = shares.sqrt().unsqueeze(1) * standard
    moments, basis = torch.linalg.eigh(rooted.T @ rooted)
    used = carrying(moments)
    basis = basis[:, used].contiguous()
    return moments[used], standard @ basis, (basis,)


def _by_items(standard: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the same where there are fewer items than activations."""
    root = shares.sqrt().unsqueeze(1)
    rooted = root * standard
    moments, vectors = torch.linalg.eigh(rooted @ rooted.T)
    used = carrying(moments)
    moments, vectors = moments[used], vectors[:, used]
    lengths = moments.sqrt()
    return moments, vectors * lengths / root, (rooted.T.contiguous(), vectors / lengths)


def carrying(moments: Tensor) -> Tensor:
    """Return which directions the items vary in: in others the penalty keeps the slopes at 0."""
    return moments > 1e-12 * moments[-1].clamp(min=1e-300)
