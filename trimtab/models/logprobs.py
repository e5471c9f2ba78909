"""Log-probabilities of given tokens under a causal model: the only place that shifts, masks and gathers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sequence_log_probabilities(
    logits: Float[Tensor, "items positions vocabulary"],
    ids: Int[Tensor, "items tokens"],
    counted: Int[Tensor, "items tokens"],
) -> Float[Tensor, "items"]:
    """Return sum_t counted_t log p(ids_t | ids_<t) of each item in nats, in float32.

    Logits at position t - 1 predict token t, so the first token is never counted and logits at the last token
    are not needed: `positions` is the number of tokens, or one less.

    >>> logits = torch.log(torch.tensor([[[0.2, 0.8], [0.5, 0.5]]]))
    >>> ids, counted = torch.tensor([[0, 1, 0]]), torch.tensor([[0, 1, 1]])
    >>> round(sequence_log_probabilities(logits, ids, counted).exp().item(), 6)
    0.4
    """
    return torch.where(counted[:, 1:].bool(), token_log_probabilities(logits, ids), 0.0).sum(-1)


def token_log_probabilities(
    logits: Float[Tensor, "items positions vocabulary"], ids: Int[Tensor, "items tokens"]
) -> Float[Tensor, "items tokens-1"]:
    """Return log p(ids_t | ids_<t) of every token but the first, in nats, in float32."""
    targets = ids[:, 1:]
    read = logits[:, : targets.shape[1]].float()
    # the normaliser alone is summed over the vocabulary: a table of log-probabilities would be as large as the logits
    return read.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - read.logsumexp(-1)
