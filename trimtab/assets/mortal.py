"""Run a module as `python -m MODULE ARGS` does, and die when standard input closes.

Used as `python -m trimtab.assets.mortal MODULE ARGS`: a fetch that is killed must not leave a download or a
conversion running, which would go on to fill a folder that nobody wants any more.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def die_with_parent() -> None:
    """End this process at once when standard input closes, as it does when its writer dies."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)  # unbuffered: a thread asleep in a buffered read would break a normal exit
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    die_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
