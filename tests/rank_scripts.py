"""What tests run under torchrun: `torchrun --nproc-per-node 2 tests/rank_scripts.py FOLDER NAME...`.

Each script has a folder of its own name in FOLDER, with a model in it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from tiny_models import tiny_texts

from trimtab.errors import FitError
from trimtab.fit.devices import whole_state
from trimtab.fit.reading import Reading
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Tune
from trimtab.objectives.confidence import Confidence
from trimtab.types import Labels, ModelSpec

SETTINGS = Tune(batch_size=8, micro_batch_size=2, epochs=2, learning_rate=1e-2, rank=4, save_every=2)


def tuning(folder: Path, settings: Tune = SETTINGS) -> Tuning:
    """Return a fit of 21 items: the last step of an epoch is not full, and a device has nothing to do in it."""
    texts = tiny_texts(21, longest=9)
    soft = np.linspace(0.05, 0.95, 21)
    labels = Labels(tuple(map(str, range(21))), np.stack([soft, 1 - soft], 1), np.linspace(0.5, 2, 21))
    reading = Reading(ModelSpec(str(folder / "model"), precision="fp32"), texts, "review : {text} the answer :")
    return Tuning(reading, labels, Confidence(), settings, 0)


def shared_fit(folder: Path) -> None:
    """Tune on all devices together; each writes down what it knows."""
    rank, wanted = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    facts = tune(tuning(folder), folder / "work", folder / "out")
    assert dist.get_world_size() == wanted == facts["devices"]
    (folder / f"facts-{rank}.json").write_text(json.dumps(facts["losses_nats"]))


def refused_fsdp(folder: Path) -> None:
    """Ask for sharding where accelerate does something else."""
    try:
        tune(tuning(folder, replace(SETTINGS, fsdp=True)), folder / "work", folder / "out")
    except FitError as error:
        (folder / f"refused-{os.environ['RANK']}.txt").write_text(str(error))


class Small(torch.nn.Module):
    """Two layers, the first one frozen, with a state of trained weights only, as a student has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.below, self.head = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)
        self.below.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.below(inputs).relu())


def sharded(folder: Path) -> None:
    """Do one step with sharded weights and write down what is gathered from them."""
    from safetensors.torch import save_file
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    if not dist.is_initialized():  # a fit before this one does so
        dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    model = Small()
    fully_shard(model.head, mesh=mesh)
    fully_shard(model, mesh=mesh)
    weight = model.head.weight
    assert isinstance(weight, DTensor)
    held = weight.to_local().shape[0]
    assert held < weight.shape[0] == 3
    one_step(model, slice(dist.get_rank(), None, dist.get_world_size()))
    state = whole_state(model)
    assert {type(value) for value in state.values()} == {torch.Tensor}
    (folder / f"held-{dist.get_rank()}.json").write_text(json.dumps(held))
    if dist.get_rank() == 0:
        save_file(dict(state), folder / "gathered.safetensors")


def one_step(model: torch.nn.Module, mine: slice) -> None:
    """Take one step of AdamW on a share of the same eight examples."""
    generator = torch.Generator().manual_seed(1)
    inputs, wanted = torch.randn(8, 6, generator=generator), torch.randint(3, (8,), generator=generator)
    optimiser = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=0.1)
    torch.nn.functional.cross_entropy(model(inputs[mine]), wanted[mine]).backward()
    optimiser.step()


if __name__ == "__main__":
    torch.set_num_threads(1)
    scripts = {"shared_fit": shared_fit, "refused_fsdp": refused_fsdp, "sharded": sharded}
    for name in sys.argv[2:]:
        scripts[name](Path(sys.argv[1]) / name)
    dist.destroy_process_group()
