"""Memory of this machine and of its processes."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path


def forget_peak() -> None:
    """Let the peak begin anew at what this process holds now, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return  # elsewhere, and where a container forbids it, the peak is that of the whole process


def peak_bytes() -> int:
    """Return the most memory this process held since `forget_peak`, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(one for one in status.read_text("ascii").splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    # kilobytes on most systems, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available_bytes() -> int:
    """Return how much memory can still be taken without swapping, by the machine's and the container's measure."""
    import psutil

    machine = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (most := limit.read_text("ascii").strip()) != "max":
        return min(machine, int(most) - int(used.read_text("ascii")))
    return machine


def resident_bytes(process: int) -> int:
    """Return how much memory a process holds; 0 where it is gone."""
    import psutil

    try:
        return psutil.Process(process).memory_info().rss
    except psutil.Error:
        return 0


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when the one that started it dies, however it dies (Linux)."""
    if sys.platform != "linux":
        return  # elsewhere a worker ends when it next reads or writes its pipe
    set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the system knew
        os.kill(os.getpid(), signal.SIGKILL)
