"""Which executor: by name and options, as a command line gives them, to settings; and from settings to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.errors import UsageError, did_you_mean
from trimtab.executors.monitor import Monitor, StageReport, Whose, unknown
from trimtab.executors.ray_settings import RaySettings
from trimtab.executors.slurm_settings import SlurmSettings
from trimtab.stages.stage import Stage
from trimtab.store import Store


@dataclass(frozen=True)
class LocalSettings:
    """This machine."""

    workers: int = 1
    """Processes that run stages side by side."""


Executor = LocalSettings | RaySettings | SlurmSettings

_OPTIONS: dict[str, dict[str, str]] = {
    "local": {"workers": "workers"},
    "ray": {"workers": "workers", "ray_address": "address", "cpus": "cpus", "gpus": "gpus"},
    "slurm": {"workers": "jobs", "cpus": "cpus", "gpus": "gpus", "partition": "partition", "minutes": "minutes"},
}
"""Which options an executor has, and the field of its settings that each one sets."""
_SETTINGS: dict[str, type[Any]] = {"local": LocalSettings, "ray": RaySettings, "slurm": SlurmSettings}


def executor_named(name: str, **options: Any) -> Executor:
    """Return an executor's settings by its name and options (workers, ray_address, cpus, gpus, partition, minutes).

    An option that is none was not given. Raises UsageError where there is no such executor, or it has no such option.

    >>> executor_named("ray", workers=4, ray_address=None).workers
    4
    """
    if name not in _OPTIONS:
        raise UsageError(f'there is no executor "{name}".{did_you_mean(name, _OPTIONS)}')
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in _OPTIONS[name]:
            flags = ", ".join(f"--{one.replace('_', '-')}" for one in _OPTIONS[name])
            raise UsageError(f"--{option.replace('_', '-')} means nothing to the executor {name}, which takes {flags}")
    return _SETTINGS[name](**{_OPTIONS[name][option]: value for option, value in given.items()})


def run_on(
    executor: Executor, stages: Sequence[Stage], store: Store, monitor: Monitor, whose: Whose = unknown
) -> list[StageReport]:
    """Make every artifact of `stages` (inputs first) with the chosen executor; see `trimtab.executors.drive`."""
    match executor:
        case LocalSettings(workers):
            from trimtab.executors import local

            return local.run_stages(stages, store, workers, monitor, whose)
        case RaySettings():
            from trimtab.executors import ray_tasks

            return ray_tasks.run_stages(stages, store, executor, monitor, whose)
        case SlurmSettings():
            from trimtab.executors import slurm

            return slurm.run_stages(stages, store, executor, monitor, whose)
