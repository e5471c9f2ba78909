"""The most recent predictions of a fit: what statistics beyond the batch are computed from.

A fit of n items keeps min(n, capacity) predictions. With n <= capacity each item has its place and holds its
latest prediction; otherwise the oldest prediction makes room. Before the first step every prediction is that
of a head of zeros: all classes equally likely, which is what the untrained student says.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor


class PredictionBuffer:
    """Logits and labels of the latest predictions, detached, on the CPU; also the losses and tokens so
    far."""

    def __init__(self, labels: Float[Tensor, "items classes"], capacity: int) -> None:
        size = min(len(labels), capacity)
        self._own_place = len(labels) <= capacity
        self.logits = torch.zeros(size, labels.shape[1])
        self.labels = labels[:size].clone()
        self.pushed = 0
        self.tokens = 0
        self.losses: list[float] = []

    def push(
        self,
        items: Int[Tensor, "items"],
        logits: Float[Tensor, "items classes"],
        labels: Float[Tensor, "items classes"],
    ) -> None:
        """Take in the predictions of a step, in the order given."""
        places = items if self._own_place else (self.pushed + torch.arange(len(items))) % len(self.logits)
        self.logits[places], self.labels[places] = logits.detach().float().cpu(), labels.cpu()
        self.pushed += len(items)

    def save(self, file: Path) -> None:
        """Write the buffer as safetensors under a temporary name, then rename."""
        from safetensors.torch import save_file

        temporary = file.with_name(f"{file.name}.tmp")
        save_file(
            {
                "logits": self.logits,
                "labels": self.labels,
                "counts": torch.tensor([self.pushed, self.tokens]),
                "losses": torch.tensor(self.losses, dtype=torch.float64),
            },
            temporary,
        )
        temporary.replace(file)

    def load(self, file: Path) -> None:
        """Take over what `save` wrote."""
        from safetensors.torch import load_file

        found = load_file(file)
        self.logits, self.labels = found["logits"], found["labels"]
        self.pushed, self.tokens = (int(count) for count in found["counts"])
        self.losses = found["losses"].tolist()
