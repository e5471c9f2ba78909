"""Hard labels with a prescribed class balance.

    h = argmax_c (log p_c + b_c),   b such that the share of class c is its quota (largest remainder of n * prior)

For two classes b is a quantile of the log-odds; for more it is the dual of the balanced assignment problem
(`balanced_assignment.py`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.objectives.balanced_assignment import MARGIN_NATS, assignment_offset
from trimtab.types import Tensor


def class_quotas(prior: Float[Tensor, "*runs classes"], count: int) -> Int[Tensor, "*runs classes"]:
    """Return how many of `count` items each class gets: n * prior rounded by largest remainder."""
    exact = prior / prior.sum(-1, keepdim=True) * count
    floor = exact.floor()
    missing = (count - floor.sum(-1, keepdim=True)).round()
    # rank 0 = largest remainder; a stable sort gives ties to the lower class
    order = (floor - exact).argsort(dim=-1, stable=True)
    rank = order.argsort(dim=-1, stable=True)
    return (floor + (rank < missing)).round().long()


def balanced_offset(
    log_probabilities: Float[Tensor, "*runs items classes"], prior: Float[Tensor, "*runs classes"]
) -> Float[Tensor, "*runs classes"]:
    """Return b_c in nats such that argmax(log p + b) has the class shares of `prior` within 1 / items.

    Items with equal log-odds cannot be told apart: they fall on one side together.
    """
    import torch

    scores = log_probabilities.detach().double()
    quotas = class_quotas(prior.double(), scores.shape[-2])
    if scores.shape[-1] == 2:
        offset = _binary_offset(scores[..., 1] - scores[..., 0], quotas[..., 1])
        return torch.stack([torch.zeros_like(offset), offset], -1).to(log_probabilities.dtype)
    per_run = scores.reshape(-1, *scores.shape[-2:]).transpose(1, 2).cpu().numpy()
    flat_quotas = quotas.expand(*scores.shape[:-2], -1).reshape(-1, scores.shape[-1]).cpu().numpy()
    offsets = [assignment_offset(one, quota) for one, quota in zip(per_run, flat_quotas, strict=True)]
    stacked = torch.from_numpy(np.stack(offsets)).reshape(*scores.shape[:-2], -1)
    return stacked.to(log_probabilities)


def _binary_offset(log_odds: Float[Tensor, "*runs items"], positives: Int[Tensor, "*runs"]) -> Float[Tensor, "*runs"]:
    """Return minus the midpoint between the last item that must be positive and the first that must not."""
    import torch

    outside = 2 * MARGIN_NATS
    ranked = log_odds.sort(-1, descending=True).values
    padded = torch.cat([ranked[..., :1] + outside, ranked, ranked[..., -1:] - outside], -1)
    above = padded.gather(-1, positives.unsqueeze(-1)).squeeze(-1)
    below = padded.gather(-1, positives.unsqueeze(-1) + 1).squeeze(-1)
    return -(above + below) / 2
