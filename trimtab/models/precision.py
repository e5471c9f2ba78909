"""Which device and which number format a model will run in, found without importing torch."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal

from trimtab.types import ModelSpec

Precision = Literal["fp32", "bf16"]

_AMPERE = 8.0
"""First CUDA compute capability with native bf16."""

_ASK_DRIVER = """
import ctypes
try:
    driver = ctypes.CDLL("libcuda.so.1")
except OSError:
    raise SystemExit
count, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
    for device in range(count.value):  # attributes 75 and 76: compute capability
        driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)
        driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
        print(f"{major.value}.{minor.value}")
"""


def resolved_precision(spec: ModelSpec) -> Precision:
    """Return the precision that will be used: what the spec says, or bf16 where the device computes it
    natively."""
    if spec.precision != "auto":
        return spec.precision
    native = cuda_capability() >= _AMPERE if device_class() == "cuda" else cpu_has_bf16()
    return "bf16" if native else "fp32"


def device_class() -> Literal["cpu", "cuda"]:
    """Return the kind of device that models run on here."""
    return "cuda" if torch_built_with_cuda() and cuda_capability() > 0 else "cpu"


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor multiplies bf16 matrices natively (AVX-512 BF16, AMX, or Arm BF16)."""
    if not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split(":", 1)[1].split()}
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


@lru_cache(maxsize=1)
def torch_built_with_cuda() -> bool:
    """Return whether the installed torch can use CUDA at all, from its version file."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    version = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    built = re.search(r"^cuda\b[^=]*=\s*(.+)$", version, re.MULTILINE)
    return built is not None and built.group(1).strip() != "None"


def cuda_capability() -> float:
    """Return the lowest compute capability of the GPUs here; 0 where there is none or they are hidden."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return 0.0
    return _lowest_capability()


@lru_cache(maxsize=1)
def _lowest_capability() -> float:
    """Ask the driver, in a process of its own: a driver that was asked cannot be used by forked processes any more."""
    answer = subprocess.run(
        [sys.executable, "-c", _ASK_DRIVER], capture_output=True, text=True, timeout=60, check=False
    )
    return min((float(line) for line in answer.stdout.split()), default=0.0)
