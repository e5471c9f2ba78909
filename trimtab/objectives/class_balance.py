"""Hard labels with a prescribed class balance.

    h = argmax_c (log p_c + b_c),   b such that the share of class c is its quota (largest remainder of n * prior)

For two classes b is a quantile of the log-odds; for more it is the dual of the balanced assignment problem
(`balanced_assignment.py`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from trimtab.objectives.balanced_assignment import MARGIN_NATS, assignment_offset
from trimtab.types import Array, Tensor


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
    per_run = scores.reshape(-1, *scores.shape[-2:]).cpu().numpy()
    flat_quotas = quotas.expand(*scores.shape[:-2], -1).reshape(-1, scores.shape[-1]).cpu().numpy()
    if scores.shape[-1] == 2:
        threshold = balanced_threshold(per_run[..., 1] - per_run[..., 0], flat_quotas[:, 1])
        offsets = np.stack([np.zeros_like(threshold), -threshold], -1)
    else:
        pairs = zip(per_run.transpose(0, 2, 1), flat_quotas, strict=True)
        offsets = np.stack([assignment_offset(one, quota) for one, quota in pairs])
    return torch.from_numpy(offsets).reshape(*scores.shape[:-2], -1).to(log_probabilities)


def balanced_threshold(log_odds: Float[Array, "runs items"], positives: Int[Array, "runs"]) -> Float[Array, "runs"]:
    """Return for each run the log-odds in nats above which `positives` of its items lie.

    The midpoint between the last item that must lie above and the first that must not.

    >>> balanced_threshold(np.array([[2.0, -1.0, 0.5]]), np.array([1])).tolist()
    [1.25]
    """
    thresholds = np.empty(len(log_odds))
    for count in np.unique(positives):
        rows = np.flatnonzero(positives == count)
        thresholds[rows] = _midpoints(log_odds[rows], int(count))
    return thresholds


def _midpoints(log_odds: Float[Array, "runs items"], positives: int) -> Float[Array, "runs"]:
    """Return the midpoint below the `positives` largest of each run; a margin outside for none or all."""
    first = log_odds.shape[1] - positives  # rank of the smallest that must lie above
    if first == 0:
        return log_odds.min(1) - MARGIN_NATS
    if positives == 0:
        return log_odds.max(1) + MARGIN_NATS
    ranked = np.partition(log_odds, (first - 1, first), axis=1)
    return (ranked[:, first - 1] + ranked[:, first]) / 2
