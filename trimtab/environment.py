"""Versions, device and folders, for a bug report."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from trimtab.home import home

PACKAGES = ("trimtab", "torch", "transformers", "peft", "datasets", "safetensors", "numpy", "scipy", "pyarrow")
"""Packages that decide numbers or what is read; every manifest and every results.json records their versions."""


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Return the installed version of each of the packages; looked up once, because that reads files."""
    return {name: version(name) for name in PACKAGES}


def environment() -> dict[str, Any]:
    """Return what decides numbers and where things lie, without importing torch."""
    from trimtab.models.precision import cpu_has_bf16, device_class

    return {
        **package_versions(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "device": device_class(),
        "cpu_native_bf16": cpu_has_bf16(),
        "executable": sys.executable,
        "home": str(home()),
        "store": str(home() / "store"),
    }
