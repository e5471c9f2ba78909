"""Data and calls that the objectives' own tests share."""

from __future__ import annotations

import numpy as np
import torch

from trimtab.types import Context, Objective

LOGITS = torch.tensor([[0.0, np.log(3)]], dtype=torch.float64)
"""One example at p = (1/4, 3/4)."""


def labels_of(*rows: tuple[float, ...]) -> torch.Tensor:
    """Return soft labels, one row per example."""
    return torch.tensor(rows, dtype=torch.float64)


def example(classes: int, items: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random logits and soft labels."""
    rng = np.random.default_rng([seed, classes])
    logits = rng.normal(size=(items, classes)) * 2
    return torch.from_numpy(logits), torch.from_numpy(rng.dirichlet(np.ones(classes), items))


def hard(labels: torch.Tensor) -> torch.Tensor:
    """Return certain labels of the top class."""
    return torch.nn.functional.one_hot(labels.argmax(-1), labels.shape[-1]).double()


def value(objective: Objective, logits: torch.Tensor, labels: torch.Tensor, progress: float = 1.0) -> torch.Tensor:
    """Return the loss of each example, with statistics from these same examples."""
    return objective(logits, labels, Context(progress, objective.statistics(logits.detach(), labels)))


def slope(objective: Objective, logits: torch.Tensor, labels: torch.Tensor, progress: float = 1.0) -> torch.Tensor:
    """Return the gradient of the summed loss in the logits."""
    seen = logits.clone().requires_grad_(True)
    return torch.autograd.grad(value(objective, seen, labels, progress).sum(), seen)[0]


def softmax(logits: torch.Tensor) -> np.ndarray:
    """Return probabilities by numpy alone."""
    raised = np.exp(logits.numpy() - logits.numpy().max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
