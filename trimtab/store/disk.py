"""Tell a full or read-only disk apart from whatever else goes wrong while a stage writes."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from trimtab.errors import StoreError

_LEAST_FREE_BYTES = 1 << 20


def storage_error(error: Exception, path: Path) -> StoreError | None:
    """Return a clear error where the disk is full or read-only; none for anything else."""
    if _disk_is_full(error, path):
        free = _free_bytes(path)
        return StoreError(
            f"the disk is full: {path} could not be written with {free / 1e6:.1f} MB free. Finished stages are kept; "
            "make room, or choose another disk with --store or TRIMTAB_HOME, and run again"
        )
    if not isinstance(error, OSError) or error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
        return None
    # a stage may also be refused a file that is no matter of the store, such as the user's own data
    if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(path.parent):
        return None
    return StoreError(f"{path} cannot be written ({error.strerror}); choose another folder with --store")


def _disk_is_full(error: Exception, path: Path) -> bool:
    """Say whether an error, or what led to it, is a full disk: by its number, by the text of safetensors and pyarrow,
    which carry none, or by the state of the disk where torch says only that writing failed.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(f"{word} {errno.ENOSPC}" in str(seen) for word in ("os error", "errno")):
            return True
        if isinstance(seen, RuntimeError) and "PytorchStreamWriter" in str(seen):
            return _free_bytes(path) < _LEAST_FREE_BYTES
        seen = seen.__cause__ or seen.__context__
    return False


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(next(one for one in path.parents if one.exists())).free
