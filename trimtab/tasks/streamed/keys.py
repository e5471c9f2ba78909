"""64-bit keys of texts and names, and random numbers that depend on a key alone.

    u = mix(key xor salt)          mix = splitmix64's finaliser; salt = what the number is for

Two rows with the same key (of one group, near duplicates) get the same number, whatever the order of the rows.

Steele, Lea & Flood 2014 (splitmix64)  https://doi.org/10.1145/2660193.2660195
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt64

from trimtab.types import Array


def key_of(text: str) -> int:
    """Return a text's key: the first 64 bits of its BLAKE2b hash."""
    return int.from_bytes(_hash(text), "little")


def keys_of(texts: Iterable[str]) -> UInt64[Array, "items"]:
    """Return the keys of texts."""
    return np.frombuffer(b"".join(map(_hash, texts)), "<u8").astype(np.uint64)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def mixed(keys: UInt64[Array, "items"], *purpose: object) -> UInt64[Array, "items"]:
    """Return a random number per key, evenly spread over 0 to 2^64 - 1; another purpose, other numbers.

    >>> one, two = mixed(np.array([1, 1], np.uint64), "split", 0)
    >>> bool(one == two), bool(one == mixed(np.array([1], np.uint64), "split", 1)[0])
    (True, False)
    """
    found = keys ^ np.uint64(key_of("/".join(map(str, purpose))))
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))
