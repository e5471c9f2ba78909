"""The random numbers of decoding: every answer has a stream of its own, and every token its own number in it.

A number is fixed by (seed, prompt, sample, step) alone. Batches, resumed runs and answers that end early change
nobody else's numbers, and two methods that ask for the same (prompt, sample) are compared on the same draws.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from trimtab.types import Array

if TYPE_CHECKING:
    from collections.abc import Sequence


def uniforms(seed: int, prompt: str, sample: int, steps: int, purpose: str = "token") -> Float[Array, "steps"]:
    """Return the first numbers of one answer's stream, in [0, 1); `purpose` separates what is drawn for other ends.

    >>> bool((uniforms(0, "p1", 3, 8)[:4] == uniforms(0, "p1", 3, 4)).all())
    True
    """
    return np.random.Generator(np.random.Philox(key=_key(seed, prompt, sample, purpose))).random(steps)


def table(
    seed: int, prompts: Sequence[str], samples: Sequence[int], steps: int, purpose: str = "token"
) -> Float[Array, "rows steps"]:
    """Return the numbers of several answers, one row each."""
    rows = [uniforms(seed, prompt, sample, steps, purpose) for prompt, sample in zip(prompts, samples, strict=True)]
    return np.array(rows).reshape(len(rows), steps)


def request_seed(seed: int, prompt: str, sample: int, step: int) -> int:
    """Return the seed of one request to a model that draws its own numbers, in 0 .. 2^31 - 1, which every server takes.

    `step` is how many tokens the answer was allowed so far: a later chunk of an answer has another seed.

    >>> request_seed(0, "p1", 3, 5) == request_seed(0, "p1", 3, 5) != request_seed(0, "p1", 3, 10)
    True
    """
    return _key(seed, prompt, sample, f"request {step}") % 2**31


def _key(seed: int, prompt: str, sample: int, purpose: str) -> int:
    named = "\0".join((str(seed), prompt, str(sample), purpose)).encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=16).digest(), "little")
