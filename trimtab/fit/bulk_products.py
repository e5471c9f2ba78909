"""The two matrix products of a step, in float64, or in float32 on what changed since the last step in float64.

    Z = A0 F'        or   Z = Z0 + D F'                 G = (S s) F          or   G = G0 + ((S - S0) s) F

with A = A0 + D. The second form halves memory and time. Its error is that of a float32 product on a difference, about
1e-7 |Z - Z0|: as a fit settles the difference goes to 0 and the error with it, and at the next step in float64 it is
gone. Light products also hold the logits and slopes of those steps in float32, with an error of about 1e-7 |Z|.

Designs of one shape lie side by side: each has products of its own, everything else is done for all at once. Where
designs are small, the calls of a step cost more than what they compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.fit.bulk_design import Design

TILE = 16
"""Rows are filled up to multiples of it: in an incomplete tile the last bit may depend on the row. Several designs
have full tiles."""


class Products:
    """Products with the features of designs of one shape, and the last exact ones."""

    def __init__(self, designs: Sequence[Design], rows: int, light: bool) -> None:
        """Make room for so many rows of each design."""
        items, directions = designs[0].features.shape
        filled = -(-rows // TILE) * TILE
        if len(designs) > 1 and filled > rows:
            raise ValueError(f"{rows} rows do not fill tiles of {TILE}; take one design, or {filled} rows")
        self._own = own = slice(rows * len(designs))
        self._parts = [slice(filled * i, filled * (i + 1)) for i in range(len(designs))]
        self._features = [one.features for one in designs]
        self._near_features = [one.features.float() for one in designs]
        self._shares = torch.stack([one.shares for one in designs]).unsqueeze(1)
        self._near_shares = self._shares.float()
        tall = filled * len(designs)
        self._points, self._gradients = torch.zeros(2, tall, directions, dtype=torch.float64)
        self._logits, self._weighted = torch.zeros(2, tall, items, dtype=torch.float64)
        self._moved, self._start, self._near_gradients = torch.zeros(3, tall, directions)
        self._changed, self._near_weighted = torch.zeros(2, tall, items)
        kind = torch.float32 if light else torch.float64
        self._logits0, self._slopes0, self._near_logits = torch.zeros(3, tall, items, dtype=kind)
        self._light = light
        self.points: Float[Tensor, "rows directions"] = self._points[own]
        """A0, where the last products in float64 were taken."""
        self.moved: Float[Tensor, "rows directions"] = self._moved[own]
        """D, in float32."""
        self.start: Float[Tensor, "rows directions"] = self._start[own]
        """G0 in float32, with whatever else does not depend on D."""

    def logits(self, exact: bool, among: Sequence[int]) -> Float[Tensor, "rows items"]:
        """Return the logits at A0 if `exact`, else at A0 + D, for some of the designs; valid until the next call."""
        if exact:
            for i in among:
                torch.mm(self._points[self._parts[i]], self._features[i].T, out=self._logits[self._parts[i]])
            self._logits0.copy_(self._logits)
            return self._logits[self._own]
        for i in among:
            part, features = self._parts[i], self._near_features[i].T
            if self._light:
                torch.addmm(self._logits0[part], self._moved[part], features, out=self._near_logits[part])
            else:
                torch.mm(self._moved[part], features, out=self._changed[part])
        if not self._light:
            torch.add(self._logits0, self._changed, out=self._near_logits)
        return self._near_logits[self._own]

    def exact_gradients(
        self, slopes: Float[Tensor, "rows items"], among: Sequence[int]
    ) -> Float[Tensor, "rows directions"]:
        """Return the weighted slopes at A0 times the features; valid until the next call."""
        self._slopes0[self._own].copy_(slopes)
        torch.mul(self._by_design(slopes), self._shares, out=self._by_design(self._weighted[self._own]))
        for i in among:
            torch.mm(self._weighted[self._parts[i]], self._features[i], out=self._gradients[self._parts[i]])
        return self._gradients[self._own]

    def near_gradients(
        self, slopes: Float[Tensor, "rows items"], among: Sequence[int]
    ) -> Float[Tensor, "rows directions"]:
        """Return `start` and the change of the weighted slopes since A0 times the features; valid until the next."""
        changed = torch.sub(slopes, self._slopes0[self._own], out=self._near_weighted[self._own])
        self._by_design(changed).mul_(self._near_shares)
        for i in among:
            part = self._parts[i]
            weighted, features = self._near_weighted[part], self._near_features[i]
            torch.addmm(self._start[part], weighted, features, out=self._near_gradients[part])
        return self._near_gradients[self._own]

    def _by_design(self, rows: Tensor) -> Float[Tensor, "designs rows items"]:
        return rows.view(len(self._features), -1, rows.shape[1])
