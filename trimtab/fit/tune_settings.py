"""What can be set about gradient tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Tune:
    """Gradient descent on the model itself, through low-rank adapters or in full, with a linear head."""

    method: Literal["lora", "full"] = "lora"
    """`lora` trains low-rank adapters and the head; `full` trains every weight (as in Burns et al. 2023)."""
    rank: int = 8
    """Rank of the adapters, at least 1; a common value (the best one in Hu et al. 2021, table 6, is 4 to
    8)."""
    alpha: float = 16.0
    """Scale of the adapters, above 0: their output counts alpha / rank times; twice the rank is common."""
    dropout: float = 0.0
    """Share dropped in every dropout layer of the model and before the adapters, in [0, 1); 0 keeps a fit of
    few epochs independent of how batches are cut."""
    target_modules: str = "all-linear"
    """Which layers get adapters: `all-linear`, or names separated by commas (for example `q_proj,v_proj`)."""
    learning_rate: float = 2e-4
    """Peak learning rate of AdamW, above 0; common for adapters, about ten times too high for `full` (1e-5
    there)."""
    epochs: int = 2
    """Passes over the training items, at least 1; Burns et al. 2023 use 2 on natural language tasks."""
    batch_size: int = 32
    """Items of one optimiser step, a multiple of micro_batch_size; Burns et al. 2023 use 32."""
    micro_batch_size: int = 8
    """Items that go through the model at once; changes memory and speed, and results only in the last
    digits."""
    warm_up_fraction: float = 0.1
    """Share of the steps over which the learning rate rises from 0, in [0, 1)."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate goes on after the warm-up: down to 0 in a line or a half cosine, or not at
    all."""
    weight_decay: float = 0.0
    """AdamW's decay per step and learning rate, at least 0, on matrices only; 0 is usual for adapters."""
    max_gradient_norm: float = 1.0
    """Longest gradient of a step, above 0; longer ones are scaled down; the Trainer's usual value."""
    save_every: int = 50
    """Optimiser steps between checkpoints, at least 1; a stopped fit goes on from the last one."""
    buffer: int = 1024
    """Most recent predictions from which an objective's statistics are computed, at least 1,024; all training
    items where there are fewer."""

    kind: ClassVar[str] = "tune"

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "batch_size", "micro_batch_size", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        for name in ("alpha", "learning_rate", "max_gradient_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        for name in ("dropout", "warm_up_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), found {getattr(self, name)}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, found {self.weight_decay}")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size must be a multiple of micro_batch_size, found {self.batch_size} "
                f"and {self.micro_batch_size}"
            )
        if self.buffer < 1024:
            raise ValueError(f"buffer must be at least 1024 predictions, found {self.buffer}")
