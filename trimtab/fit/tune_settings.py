"""What can be set about gradient tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Layers:
    """Which layers of a model are trained."""

    top: int
    """How many of the highest layers learn, at least 1; those below stay as they are."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"layers.top must be at least 1, found {self.top}")


@dataclass(frozen=True)
class Tune:
    """Gradient descent on the model itself, through low-rank adapters or in full, with a linear head."""

    method: Literal["lora", "full"] = "lora"
    """`lora` trains low-rank adapters and the head; `full` trains every weight (as in Burns et al. 2023)."""
    layers: Layers | None = None
    """`{top: k}` trains the k highest layers only (in full: also the norm after them); none trains all. Dropout acts
    in the layers that are trained."""
    prefix_cache: bool = True
    """Whether, with `layers`, the hidden states below are computed once for all methods and seeds and kept on disk."""
    prefix_budget_gb: float | None = None
    """Most gigabytes that these states may take, above 0; none is 20, or half of the free disk where that is less."""
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
    devices: int = 1
    """Processes that share each batch, one device each, at least 1; batch_size is a multiple of devices times
    micro_batch_size. Changes results only in the last digits, unless there is dropout."""
    fsdp: bool = False
    """Whether the weights are spread over the devices (fully sharded data parallel), for models that fit on none
    alone; GPUs only."""
    report_to: tuple[str, ...] = ()
    """Trackers that are told of every step, by transformers' names (for example `tensorboard`); none by default."""

    kind: ClassVar[str] = "tune"

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "batch_size", "micro_batch_size", "save_every", "devices"):
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
        if self.prefix_budget_gb is not None and self.prefix_budget_gb <= 0:
            raise ValueError(f"prefix_budget_gb must be above 0, found {self.prefix_budget_gb}")
        if self.batch_size % (self.micro_batch_size * self.devices):
            raise ValueError(
                f"batch_size must be a multiple of micro_batch_size times devices, found {self.batch_size}, "
                f"{self.micro_batch_size} and {self.devices}"
            )
        if self.buffer < 1024:
            raise ValueError(f"buffer must be at least 1024 predictions, found {self.buffer}")

    def plain(self) -> dict[str, Any]:
        """Return all settings as JSON values."""
        return asdict(self) | {"report_to": list(self.report_to)}

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide more than a result's last digits, as JSON values."""
        idle = {"save_every", "prefix_cache", "prefix_budget_gb", "fsdp", "report_to"}
        idle |= set() if self.dropout else {"devices"}
        return {name: value for name, value in self.plain().items() if name not in idle}


def tune_settings(values: Mapping[str, Any]) -> Tune:
    """Return settings from what `Tune.plain` made of them."""
    layers = values["layers"]
    plain = {"layers": Layers(**layers) if layers else None, "report_to": tuple(values["report_to"])}
    return Tune(**{**values, **plain})
