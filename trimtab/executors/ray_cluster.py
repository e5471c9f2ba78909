"""Join a running Ray cluster or start one on this machine for a run; usage statistics stay off."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from types import ModuleType

from trimtab.errors import UsageError
from trimtab.executors.ray_settings import RaySettings

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_BEFORE_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's coming default; a warning without it
}
_HTTP2_SETTINGS = 4
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _HTTP2_SETTINGS, 0, 0, 0, 0, 0))
"""How a client of gRPC, which Ray speaks, begins (RFC 9113, section 3.4); the server answers with its own settings."""


def import_ray() -> ModuleType:
    """Return Ray with usage statistics off.

    Raises UsageError where it is not installed.
    """
    os.environ.update(_BEFORE_RAY)
    try:
        import ray
    except ImportError as error:
        raise UsageError(f'Ray cannot be imported ({error}); install it with: pip install "trimtab[ray]"') from None
    return ray


def connect(settings: RaySettings, todo: int) -> tuple[int, bool]:
    """Be connected to the cluster; return the processors of one stage and whether the connection is this run's own.

    Raises UsageError where a running cluster does not answer in time.
    """
    ray = import_ray()
    if ray.is_initialized():  # the caller's own connection is used, and left as it is
        return settings.cpus or 1, False
    if settings.address is None:
        total = os.cpu_count() or 1
        cpus = settings.cpus or max(1, total // min(settings.workers or total, todo))
        ray.init(
            num_cpus=max(total, cpus),
            object_store_memory=settings.object_store_bytes,
            _memory=settings.memory_bytes,
            include_dashboard=False,
            **_quiet(cpus, ours=True),
        )
        return cpus, True
    cpus = settings.cpus or 1
    _knock(settings.address, settings.connect_s)
    try:
        ray.init(address=settings.address, **_quiet(cpus, ours=False))
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unreachable(settings.address, error) from None
    return cpus, True


def _quiet(cpus: int, *, ours: bool) -> dict[str, object]:
    """Return what every connection is told: threads are fixed before a worker loads anything; logs stay in Ray's."""
    told: dict[str, object] = {"env_vars": {name: os.environ.get(name, str(cpus)) for name in THREAD_VARIABLES}}
    if ours and shlex.quote(sys.executable) != sys.executable:
        # Ray hands Python's path to a shell as it is: with a space in it, no worker would ever start
        told["py_executable"] = shlex.quote(sys.executable)
    return {"runtime_env": told, "log_to_driver": False, "logging_level": "ERROR"}


def _knock(address: str, seconds: float) -> None:
    """Find out in a bounded time whether a cluster answers at an address; Ray itself would try for minutes."""
    place = address.rpartition("//")[2]
    host, colon, port = place.rpartition(":")
    if not colon:
        return  # "auto" and the like: Ray knows at once
    if not port.isdigit():
        raise UsageError(f'the Ray address is "{address}"; wanted host:port, as `ray start --head` prints it, or auto')
    try:
        with socket.create_connection((host, int(port)), timeout=seconds) as line:
            if os.environ.get("RAY_USE_TLS") == "1":
                return  # it listens, and only Ray has the keys to talk to it
            line.sendall(_HTTP2_GREETING)
            answer = line.recv(9)
    except OSError as error:
        raise _unreachable(address, error) from None
    if len(answer) < 4 or answer[3] != _HTTP2_SETTINGS:
        raise _unreachable(address, ConnectionError("who answers there is not Ray"))


def _unreachable(address: str, error: Exception) -> UsageError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UsageError(
        f"the Ray cluster at {address} cannot be reached ({reason}); start it with `ray start --head`, mend "
        "--ray-address, or leave it out to start one on this machine"
    )
