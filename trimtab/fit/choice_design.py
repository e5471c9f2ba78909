"""The choices of one set of weighted items, centred within their items and turned into the eigenbasis of what is left.

    x~_ic = (x_ic - mean_c x_ic) / scale          scale^2 = sum_i s_i mean_{c != d} (x_ic - x_id)^2,   s = w / sum w
    M = sum_i s_i sum_c x~_ic x~_ic' = V diag(m) V'          f_ic = V' x~_ic

so that scale is the root mean square difference of two choices of one item. An objective whose curvature in the logits
is at most k has at most the curvature k M in w. A block (`bulk_block.py`) takes k moments / 2 where it has one column
of weights, so moments = 2 m; with two choices they are those of the choices' difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.bulk_design import LANE, Design, carrying
from trimtab.fit.choice_features import ChoiceFeatures
from trimtab.types import Array


@dataclass(frozen=True)
class Span:
    """Items with equally many choices, whose rows lie one after the other."""

    first: int
    """The first of their rows."""
    positions: Int[Array, "alike"]
    """Where they are among the items of the problem."""
    count: int
    """Choices of each."""

    @property
    def end(self) -> int:
        """The row after their last."""
        return self.first + len(self.positions) * self.count


@dataclass(frozen=True)
class ChoiceDesign:
    """What all fits to the same weighted items share."""

    design: Design
    spans: tuple[Span, ...]

    def flat(self, labels: Float[Array, "items choices"]) -> Float[Tensor, "rows"]:
        """Return labels in the order of the rows.

        Raises FitError where a label gives something to a choice that its item does not have.
        """
        for span in self.spans:
            if labels[span.positions, span.count :].any():
                raise FitError(
                    f"labels give probability to a choice beyond the {span.count} that the item has; a label step "
                    "for a task of choices must leave absent choices at 0"
                )
        parts = [labels[span.positions, : span.count].reshape(-1) for span in self.spans]
        return torch.from_numpy(np.concatenate(parts).astype(np.float64))


def make_choice_design(
    seen: ChoiceFeatures, items: Int[Array, "items"], weights: Float[Array, "items"]
) -> ChoiceDesign:
    """Centre, standardise with the items' weights, and find the directions in which choices of one item differ.

    Raises FitError where an activation is not finite, or no two choices of an item differ.
    """
    spans, first = [], 0
    for count, positions in seen.by_count(items):
        spans.append(Span(first, positions, count))
        first = spans[-1].end
    values = np.empty((first, seen.values.shape[1]))
    shares = np.empty(first)
    pairs = np.empty(first)
    for span in spans:
        rows = slice(span.first, span.end)
        values[rows] = seen.centred(items[span.positions], span.count).reshape(-1, values.shape[1])
        shares[rows] = np.repeat(weights[span.positions] / weights.sum(), span.count)
        # the mean square difference of two different choices is 2 / (count - 1) times the sum of squares
        pairs[rows] = shares[rows] * 2 / (span.count - 1)
    if not np.isfinite(values).all():
        raise FitError("the activations of some choices hold NaN or infinity; use another layer or `precision: fp32`")
    design = _turned(torch.from_numpy(values), torch.from_numpy(shares), torch.from_numpy(pairs))
    return ChoiceDesign(design, tuple(spans))


def _turned(values: Tensor, shares: Tensor, pairs: Tensor) -> Design:
    deviation = (pairs @ values.square()).sqrt()
    # what differs by rounding alone has no direction to learn
    used = deviation > 1e-12 * deviation.max().clamp(min=1e-300)
    scale = torch.where(used, deviation, 1.0)
    values = torch.where(used, values / scale, 0.0)
    moments, basis = torch.linalg.eigh((shares.unsqueeze(1) * values).T @ values)
    kept = carrying(moments) & (moments > 0)
    if not bool(kept.any()):
        raise FitError("no two choices of any item have different activations; the model must read the choice itself")
    moments, basis = moments[kept], basis[:, kept].contiguous()
    rows, directions = len(values), len(moments)
    features = torch.zeros(_filled(rows), _filled(directions), dtype=torch.float64)
    features[:rows, :directions] = values @ basis
    return Design(
        mean=np.zeros(len(scale)),
        scale=scale.numpy(),
        features=features,
        moments=torch.cat([2 * moments, torch.ones(features.shape[1] - directions, dtype=torch.float64)]),
        shares=torch.cat([shares, torch.zeros(len(features) - rows, dtype=torch.float64)]),
        items=rows,
        directions=directions,
        _basis=(basis,),
    )


def _filled(count: int) -> int:
    return -(-count // LANE) * LANE
