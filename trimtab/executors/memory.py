"""How much memory a stage takes at its peak."""

from __future__ import annotations

import resource
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
