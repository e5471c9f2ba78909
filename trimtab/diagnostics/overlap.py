"""Overlap density: how many items hold both what the supervisor knows and what only the student can use.

    hard     weak certainty below its change point: the supervisor has nothing to go by
    overlap  of the others, those whose largest cosine with a hard item reaches the change point of these cosines
    easy     the rest: what the supervisor knows, and nothing of what hard items hold

    density = overlap / all items            hard + overlap + easy = 1
    parted  = variance between the two sides of a change point / variance of all: near 1 where values are of two kinds,
              3/4 where they spread evenly, 2/pi where they are normal, and then the shares mean little

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
    """Shares of all items, which add up to 1, and how clearly each change point parts two kinds."""

    hard: float
    overlap: float
    easy: float
    certainty_parted: float
    likeness_parted: float


def parted(values: Float[Array, "items"], at: float) -> float:
    """Return the share of the variance that lies between the values below a point and those from it on.

    >>> parted(np.array([0.0, 0.0, 1.0]), 0.5), round(parted(np.arange(1000.0), 499.5), 4)
    (1.0, 0.75)
    """
    above = values >= at
    share = above.mean()
    return float(share * (1 - share) * (values[above].mean() - values[~above].mean()) ** 2 / values.var())


def overlap_density(states: Float[Array, "items hidden"], weak: Float[Array, "items classes"]) -> Overlap | str:
    """Return the shares, or why they are undefined, from the student's activations and the weak labels."""
    states, sure = states[:MOST], certainty_of(weak[:MOST])
    if np.ptp(sure) < _EQUAL:
        return EQUALLY_SURE
    certain = change_point(sure)
    hard = sure < certain
    likeness = overlap_score(states, hard)[~hard]
    if np.ptp(likeness) < _EQUAL:
        return ALIKE
    alike = change_point(likeness)
    counts = hard.sum(), (likeness >= alike).sum(), (likeness < alike).sum()
    shares = (float(count / len(sure)) for count in counts)
    return Overlap(*shares, certainty_parted=parted(sure, certain), likeness_parted=parted(likeness, alike))
