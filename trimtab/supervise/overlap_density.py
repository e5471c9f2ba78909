"""Overlap density: prefer the items in which what the supervisor knows meets what only the student can use.

    score_i = max over hard j of cos(f_i, f_j)      f: the student's activations, centred
    hard:     weak certainty below its change point: the supervisor has nothing to go by
    keep the share with the highest scores; where there are fewer others than that, the surest hard ones as well

A text that the supervisor labels well, and that looks to the student like those it cannot label, carries the weak
label over to features that only the strong model has.

Shin et al. 2025  https://arxiv.org/abs/2412.03881
Differs from the paper, whose own text was not at hand, and from SergioDreamer/overlap_density_w2sg: one exact change
point of the sorted values instead of binary segmentation; cosine instead of inner product; a share is kept, not what
lies above a change point of the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from trimtab.errors import FitError
from trimtab.supervise.certainty_weights import certainty_of
from trimtab.supervise.filtering import counting, kept_only, rounded_up
from trimtab.supervise.neighbours import BLOCK
from trimtab.types import Array, Evidence, Labels, Need, Truth


def change_point(values: Float[Array, "items"]) -> float:
    """Return the value that splits sorted values into two groups with the least squared deviation within them.

    >>> change_point(np.array([0.1, 0.2, 0.15, 0.9, 0.8]))
    0.5
    """
    ranked = np.sort(values)
    count = np.arange(1, len(ranked))
    below = np.cumsum(ranked)[:-1]
    above = ranked.sum() - below
    # least within is most between: sum of squared group sums over group sizes
    best = int(np.argmax(below**2 / count + above**2 / (len(ranked) - count)))
    return float((ranked[best] + ranked[best + 1]) / 2)


def overlap_score(states: Float[Array, "items hidden"], hard: Bool[Array, "items"]) -> Float[Array, "items"]:
    """Return each item's largest cosine with a hard item, of centred activations; a hard item's own is 1."""
    centred = states.astype(np.float64) - states.astype(np.float64).mean(0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.where(lengths > 0, lengths, 1)
    blocks = np.array_split(directions, max(1, len(directions) // BLOCK))
    return np.concatenate([(block @ directions[hard].T).max(1) for block in blocks])


@dataclass(frozen=True)
class OverlapDensity:
    """Keep the items whose texts overlap most with those that the supervisor cannot label."""

    keep: float = 0.5
    """Share of the items that still count to keep, in (0, 1], rounded up: those not hard with the highest score first,
    then hard ones, the surest first; 0.5 is our choice."""

    truth: ClassVar[Truth] = "none"
    needs: ClassVar[tuple[Need, ...]] = ("student_states",)

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must lie in (0, 1], found {self.keep}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the labels with weight 0 where there is little overlap.

        Raises FitError where the supervisor is equally sure of all items.
        """
        assert evidence.student_states is not None
        present = counting(labels, "overlap_density")
        sure = certainty_of(labels.probabilities[present])
        if sure.max() - sure.min() < 1e-12:
            raise FitError("overlap_density: the supervisor is equally sure of all items, so that none is hard")
        hard = sure < change_point(sure)
        score = overlap_score(evidence.student_states[present], hard)
        # easy items by score, then hard ones by certainty
        order = np.lexsort((-np.where(hard, sure, score), hard))
        return kept_only(labels, present[order[: rounded_up(self.keep, len(present))]])
