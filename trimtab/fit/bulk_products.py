"""The two matrix products of a step, in float64, or in float32 on what changed since the last step in float64.

    Z = A F'         or   Z = Z0 + (A - A0) F'           G = (S s) F          or   G = G0 + ((S - S0) s) F

The second form halves memory and time. Its error is that of a float32 product on a difference, about 1e-7 |Z - Z0|:
as a fit settles the difference goes to 0 and the error with it, and at the next step in float64 it is gone. Light
products also hold the logits and slopes of those steps in float32, with an error of about 1e-7 |Z|.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

TILE = 16
"""Rows are filled up to multiples of it: in an incomplete tile the last bit may depend on the row."""


class Products:
    """Products with one matrix of features, and the last exact ones."""

    def __init__(
        self,
        features: Float[Tensor, "items directions"],
        shares: Float[Tensor, "items"],
        rows: int,
        differences: bool,
        light: bool,
    ) -> None:
        """Make room for so many rows; `differences` keeps the features in float32 too."""
        items, directions = features.shape
        filled = -(-rows // TILE) * TILE
        self._rows, self._features, self._shares = rows, features, shares
        self._points, self._points0, self._gradients, self._gradients0 = torch.zeros(
            4, filled, directions, dtype=torch.float64
        )
        self._slopes, self._logits = torch.zeros(2, filled, items, dtype=torch.float64)
        self._small = features.float() if differences else None
        kind = torch.float32 if light else torch.float64
        self._near_shares = shares.to(kind)
        self._near_logits, self._logits0, self._slopes0 = torch.zeros(3, filled, items, dtype=kind)
        self._small_points, self._small_gradients = torch.zeros(2, filled, directions)
        self._small_logits, self._small_slopes = torch.zeros(2, filled, items)

    @property
    def points(self) -> Float[Tensor, "rows directions"]:
        """Where the points of the next product are written."""
        return self._points[: self._rows]

    def logits(self, exact: bool) -> Float[Tensor, "rows items"]:
        """Return points times features, in float64 if `exact`; valid until the next call."""
        if exact or self._small is None:
            torch.mm(self._points, self._features.T, out=self._logits)
            if self._small is not None:
                self._points0.copy_(self._points)
                self._logits0.copy_(self._logits)
            return self._logits[: self._rows]
        torch.sub(self._points, self._points0, out=self._small_points)
        torch.mm(self._small_points, self._small.T, out=self._small_logits)
        torch.add(self._logits0, self._small_logits, out=self._near_logits)
        return self._near_logits[: self._rows]

    def gradients(self, slopes: Float[Tensor, "rows items"], exact: bool) -> Float[Tensor, "rows directions"]:
        """Return weighted slopes, of the kind that the logits were, times features; valid until the next call."""
        own = slice(self._rows)
        if exact or self._small is None:
            torch.mul(slopes, self._shares, out=self._slopes[own])
            torch.mm(self._slopes, self._features, out=self._gradients)
            if self._small is not None:
                self._slopes0.copy_(self._slopes)
                self._gradients0.copy_(self._gradients)
            return self._gradients[own]
        slopes.mul_(self._near_shares)
        torch.sub(slopes, self._slopes0[own], out=self._small_slopes[own])
        torch.mm(self._small_slopes, self._small, out=self._small_gradients)
        torch.add(self._gradients0, self._small_gradients, out=self._gradients)
        return self._gradients[own]
