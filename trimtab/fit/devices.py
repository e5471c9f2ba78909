"""Which devices take part in a fit, and the weights that they hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers import Trainer

from trimtab.errors import FitError
from trimtab.fit.tune_settings import Tune


def check_devices(trainer: Trainer, settings: Tune) -> None:
    """See that the devices are used as they were asked for.

    Raises FitError where one process would drive several devices, where the batch cannot be shared, or where `fsdp`
    would silently be something else.
    """
    from accelerate.utils import DistributedType

    if trainer.args.n_gpu > 1:
        raise FitError(
            f"{trainer.args.n_gpu} devices are visible to one process, and a process trains on one; set `devices: "
            f"{trainer.args.n_gpu}` in `fit`, or make one visible (CUDA_VISIBLE_DEVICES=0)"
        )
    used = trainer.accelerator.distributed_type
    if settings.fsdp and used != DistributedType.FSDP:
        raise not_sharded(trainer.accelerator.num_processes, trainer.accelerator.device.type, used.value)


def not_sharded(processes: int, device: str, used: str) -> FitError:
    """Return the error of a fit that was to be sharded and would not be."""
    return FitError(
        f"`fsdp: true` was asked for, but {processes} process(es) on {device} run as {used}; fully sharded training "
        "needs GPUs and `devices` of at least 2: leave `fsdp` out here"
    )


def accumulation(settings: Tune, world: int) -> int:
    """Return how many micro-batches each of `world` devices adds up to a step.

    Raises FitError where the batch cannot be cut so.
    """
    shared = settings.micro_batch_size * world
    if settings.batch_size % shared:
        raise FitError(
            f"batch_size is {settings.batch_size}, and {world} devices with micro-batches of "
            f"{settings.micro_batch_size} need a multiple of {shared}"
        )
    return settings.batch_size // shared


def whole_state(module: nn.Module) -> Mapping[str, Any]:
    """Return a module's state on the CPU; weights that are spread over devices are gathered.

    Where they are spread, every process has to call this.
    """
    from torch.distributed.tensor import DTensor

    def whole(value: Tensor) -> Tensor:
        return (value.full_tensor() if isinstance(value, DTensor) else value).detach().contiguous().cpu()

    return {name: whole(value) for name, value in module.state_dict().items()}
