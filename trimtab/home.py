"""Where Trimtab keeps assets and the store: `TRIMTAB_HOME`, else the user's cache directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """Return the folder for assets and store; it may not exist yet.

    `TRIMTAB_HOME` wins; otherwise `$XDG_CACHE_HOME/trimtab` or the platform's cache directory.
    """
    chosen = os.environ.get("TRIMTAB_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "trimtab"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "trimtab"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "trimtab"
