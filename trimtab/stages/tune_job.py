"""One fit by gradient descent in its folders: done in this process, or shared by several that are started for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.digest import settings_of
from trimtab.errors import FitError
from trimtab.fit.tune_settings import Tune
from trimtab.types import ModelSpec, Objective, Progress

if TYPE_CHECKING:
    from trimtab.fit.probe import Head
    from trimtab.fit.reading import Reading

RANK = "trimtab.executors.rank"
"""The module that each of several processes runs; its name only, since it stands above this room."""


@dataclass(frozen=True)
class TuneJob:
    """What `TrainTune` does, once its inputs are there."""

    spec: ModelSpec
    objective: Objective
    fit: Tune
    seed: int
    inputs: Mapping[str, Path]
    out: Path
    work: Path

    def verify_prefix(self) -> tuple[str, ...]:
        """Mend stored states that were damaged, before several processes read them; return the names of their files."""
        from trimtab.stages.prefix import open_prefix

        if "prefix" not in self.inputs:
            return ()
        return open_prefix(self.inputs["prefix"], self.inputs["data"], self.spec).recomputed

    def learn(self, progress: Progress) -> Mapping[str, Any]:
        """Tune in this process, alone or as one of several, and return what `fit.json` says."""
        from trimtab.fit.tune import Tuning, tune
        from trimtab.stages.tables import read_labels

        labels = read_labels(self.inputs["labels"])
        reading = reading_of(self.spec, self.inputs, labels.ids)
        head = head_of(self.inputs["head"], reading) if "head" in self.inputs else None
        return tune(Tuning(reading, labels, self.objective, self.fit, self.seed, head), self.work, self.out, progress)

    def start(self, progress: Progress) -> Mapping[str, Any]:
        """Tune on as many devices as the fit asks for, and return what `fit.json` says.

        Raises FitError under torchrun, whose other processes would wait for this stage instead of sharing it.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count > 1:
            raise FitError(
                f"this run was started {count} times by torchrun, and a fit starts its own processes: "
                f"run trimtab without torchrun and set `devices: {count}` in `fit`"
            )
        return self.learn(progress) if self.fit.devices == 1 else self._share(progress)

    def _share(self, progress: Progress) -> Mapping[str, Any]:
        """Start one process per device and have them learn together."""
        from trimtab.fit.launch import launch
        from trimtab.fit.tuned_files import read_facts

        launch(RANK, self.fit.devices, self.as_json(), self.work, progress)
        return read_facts(self.out)

    def as_json(self) -> dict[str, Any]:
        """Return the job as JSON values; `trimtab.executors.rank` makes the same job of them."""
        kind = type(self.objective)
        source = vars(sys.modules[kind.__module__]).get("__file__")
        if source is None:
            raise FitError(f"{kind.__qualname__} has no source file that other processes could read; put it into one")
        objective = {"module": kind.__module__, "file": source, "class": kind.__qualname__}
        return {
            "spec": settings_of(self.spec),
            "objective": objective | {"settings": settings_of(self.objective)},
            "fit": self.fit.plain(),
            "seed": self.seed,
            "inputs": {name: str(folder) for name, folder in self.inputs.items()},
            "out": str(self.out),
            "work": str(self.work),
        }


def reading_of(spec: ModelSpec, inputs: Mapping[str, Path], wanted: tuple[str, ...]) -> Reading:
    """Return what a model reads of some items: texts, and where they are stored, what the lower layers make of them."""
    from trimtab.stages.prefix import open_prefix
    from trimtab.stages.reads import reads_of

    states = open_prefix(inputs["prefix"], inputs["data"], spec).states if "prefix" in inputs else None
    return reads_of(inputs["data"]).reading(spec, wanted, states)


def head_of(folder: Path, reading: Reading) -> Head:
    """Return the fitted probe with which tuning begins; of items with answers, as a score."""
    from safetensors.numpy import load_file

    from trimtab.fit.score_head import score_head
    from trimtab.stages.predict import read_head

    return read_head(folder) if reading.answers is None else score_head(load_file(folder / "head.safetensors"))
