"""How stages are run on SLURM: plain values, read without submitit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SlurmSettings:
    """What every job asks the queue for."""

    partition: str | None = None
    """Partition; none is the cluster's default."""
    minutes: int = 240
    """Time limit of a job, in minutes; a stage that needs longer is queued again and goes on from its last state."""
    cpus: int = 1
    """Processors, and threads, of one stage."""
    gpus: int = 0
    """GPUs of a stage that loads a model; other stages get none."""
    memory_gb: float | None = None
    """Memory of a job in 10^9 bytes; none is what stages like it took, and a quarter more."""
    jobs: int = 32
    """Jobs in the queue at a time, at most."""
    requeues: int = 10
    """How often a stage that reaches its time limit is queued again; preemptions do not count."""
    additional: Mapping[str, str] = field(default_factory=dict)
    """Further options of sbatch by name (`account`, `qos`, ...)."""
    folder: Path | None = None
    """Where job scripts and logs go, on a shared file system; none is `.slurm` beside the store's artifacts."""
    cluster: str = "slurm"
    """`slurm`, or `local` for processes of this machine in SLURM's place."""
    poll_s: float = 1.0
    """How often the state of the jobs is looked at, in seconds."""
    grace_s: float = 15.0
    """How long the shared file system may take to show the result of a job that has ended, in seconds."""
