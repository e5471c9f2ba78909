"""Overlap density: how many items hold both what the supervisor knows and what only the student can use.

    hard     weak certainty below its change point: the supervisor has nothing to go by
    overlap  of the others, those whose largest cosine with a hard item reaches the change point of these cosines
    easy     the rest: what the supervisor knows, and nothing of what hard items hold

    density = overlap / all items            hard + overlap + easy = 1

An overlapping item carries the weak label over to what decides the hard ones; a student can only learn that from such
items. No truth is read. A change point parts any values in two, also those that are of one kind.

Shin et al. 2025  https://arxiv.org/abs/2412.03881
Differs from the paper, whose own text was not at hand, and from SergioDreamer/overlap_density_w2sg: one exact change
point instead of binary segmentation; cosine of centred activations instead of the inner product; no median where no
change point is found, but no number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from trimtab.supervise.certainty_weights import certainty_of
from trimtab.supervise.overlap_density import change_point, overlap_score
from trimtab.types import Array

MOST = 5000
"""Items that are looked at: the first of them; every one is compared with every hard one."""
_EQUAL = 1e-12
EQUALLY_SURE = "With some seed the supervisor is equally sure of all items, so that none is hard."
ALIKE = "With some seed all items that are not hard are equally like the hard ones, so that none overlaps."


@dataclass(frozen=True)
class Overlap:
    """Shares of all items; they add up to 1."""

    hard: float
    overlap: float
    easy: float


def overlap_density(states: Float[Array, "items hidden"], weak: Float[Array, "items classes"]) -> Overlap | str:
    """Return the three shares, or why they are undefined, from the student's activations and the weak labels."""
    states, sure = states[:MOST], certainty_of(weak[:MOST])
    if np.ptp(sure) < _EQUAL:
        return EQUALLY_SURE
    hard = sure < change_point(sure)
    likeness = overlap_score(states, hard)[~hard]
    if np.ptp(likeness) < _EQUAL:
        return ALIKE
    overlap = int((likeness >= change_point(likeness)).sum())
    counts = int(hard.sum()), overlap, int((~hard).sum()) - overlap
    return Overlap(*(count / len(sure) for count in counts))
