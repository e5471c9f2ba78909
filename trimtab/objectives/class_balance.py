"""Hard labels with a prescribed class balance.

    h = argmax_c (log p_c + b_c),   b such that the share of class c is its quota (largest remainder of n * prior)

For two classes b is a quantile of the log-odds. For more it is the dual of the balanced assignment problem
max_h sum_i log p_{i,h(i)} with fixed counts: the convex function

    F(b) = sum_i temperature * logsumexp((log p_i + b) / temperature) - quota . b

is minimised by Newton's method while the temperature falls towards 0, where its gradient is (hard counts - quotas).
"""

from __future__ import annotations

from jaxtyping import Float, Int

from trimtab.types import Tensor

_NEWTON_STEPS = 60
_COOLING = 0.3


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
    flat_scores = scores.reshape(-1, *scores.shape[-2:])
    flat_quotas = quotas.expand(*scores.shape[:-2], -1).reshape(-1, scores.shape[-1])
    offsets = [_newton_offset(one, quota) for one, quota in zip(flat_scores, flat_quotas, strict=True)]
    return torch.stack(offsets).reshape(*scores.shape[:-2], -1).to(log_probabilities.dtype)


def _binary_offset(
    log_odds: Float[Tensor, "*runs items"], positives: Int[Tensor, "*runs"]
) -> Float[Tensor, "*runs"]:
    """Return minus the midpoint between the last item that must be positive and the first that must not."""
    import torch

    ranked = log_odds.sort(-1, descending=True).values
    padded = torch.cat([ranked[..., :1] + 1, ranked, ranked[..., -1:] - 1], -1)
    above = padded.gather(-1, positives.unsqueeze(-1)).squeeze(-1)
    below = padded.gather(-1, positives.unsqueeze(-1) + 1).squeeze(-1)
    return -(above + below) / 2


def _newton_offset(
    scores: Float[Tensor, "items classes"], quotas: Int[Tensor, "classes"]
) -> Float[Tensor, "classes"]:
    """Return the offset by cooling; stops as soon as the hard counts are the quotas."""
    import torch

    offset = torch.zeros_like(quotas, dtype=scores.dtype)
    best, best_miss = offset, _miss(scores, offset, quotas)
    temperature = float(scores.std().clamp_min(1e-3))
    floor = temperature * 1e-7
    while best_miss > 0 and temperature > floor:
        offset = _minimise(scores, quotas.to(scores.dtype), offset, temperature)
        miss = _miss(scores, offset, quotas)
        if miss < best_miss:
            best, best_miss = offset, miss
        temperature *= _COOLING
    return best


def _miss(scores: Tensor, offset: Tensor, quotas: Tensor) -> int:
    """Return the largest difference between a class's hard count and its quota, in items."""
    import torch

    counts = torch.bincount((scores + offset).argmax(-1), minlength=scores.shape[-1])
    return int((counts - quotas).abs().max())


def _minimise(scores: Tensor, quotas: Tensor, offset: Tensor, temperature: float) -> Tensor:
    """Minimise F at one temperature from `offset` by damped Newton steps."""
    import torch

    def value(candidate: Tensor) -> Tensor:
        return temperature * ((scores + candidate) / temperature).logsumexp(-1).sum() - quotas @ candidate

    current = value(offset)
    for _ in range(_NEWTON_STEPS):
        shares = ((scores + offset) / temperature).softmax(-1)
        gradient = shares.sum(0) - quotas
        if float(gradient.abs().max()) < 1e-3:
            break
        curvature = (torch.diag(shares.sum(0)) - shares.T @ shares) / temperature
        # F does not change along (1, ..., 1); the ridge removes that direction and keeps the solve stable
        ridge = 1e-9 * curvature.diagonal().max().clamp_min(1e-12) + 1e-12
        step = torch.linalg.solve(curvature + ridge * torch.eye(len(quotas), dtype=scores.dtype), gradient)
        step = step - step.mean()
        length = 1.0
        while length > 1e-10:
            proposal = offset - length * step
            proposed = value(proposal)
            if proposed <= current - 1e-4 * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        offset, current = proposal, proposed
    return offset
