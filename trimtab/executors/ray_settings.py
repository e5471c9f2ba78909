"""How stages are run on Ray: plain values, read without Ray."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RaySettings:
    """Which cluster, and what one stage may take of it."""

    address: str | None = None
    """`host:port` of a running cluster, or `auto` for the one of this machine; none starts a local one for the run."""
    workers: int | None = None
    """Stages side by side at most; none is as many as the cluster has processors for."""
    cpus: int | None = None
    """Processors, and threads, of one stage; none is 1 on a running cluster and an equal share of a local one."""
    gpus: float = 0.0
    """GPUs of a stage that loads a model; other stages get none."""
    object_store_bytes: int = 100_000_000
    """Ray's object store on a local cluster; only descriptions of stages and their progress pass through it."""
    memory_bytes: int | None = None
    """Memory that a local cluster gives out; none leaves it to Ray."""
    connect_s: float = 5.0
    """How long to wait for a running cluster's answer, in seconds."""
