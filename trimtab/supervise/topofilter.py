"""TopoFilter: keep the heart of each weak class in the student's activations.

    keep the largest strongly connected component of each class: i -> j where j is among the k nearest of i and both
    have the same top class; then drop those with the largest |q_i - mean_{j in N(i)} q_j| until the share
    `contamination` of all items is gone          N(i): the outlier_neighbours nearest among what is left

A wrongly labelled text lies among those of another class, to which it has no edges.

Wu et al. 2020  https://arxiv.org/abs/2012.04835; for weak labels: EleutherAI/w2s, probe `topo`, with the defaults
https://github.com/EleutherAI/w2s
Differs from that code: neighbours in standardised activations of the layer that the student reads; any number of
classes. Its own defaults for both numbers of neighbours are 50 or 20, by version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.errors import FitError
from trimtab.supervise.filtering import kept_only
from trimtab.supervise.neighbours import nearest, standardised
from trimtab.types import Array, Evidence, Labels, Need, Truth


def hearts(neighbours: Int[Array, "items k"], answers: Int[Array, "items"]) -> Bool[Array, "items"]:
    """Mark each class's largest strongly connected component of the graph of neighbours; of equal ones the first."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    items, k = neighbours.shape
    start, end = np.repeat(np.arange(items), k), neighbours.ravel()
    alike = answers[start] == answers[end]
    edges = np.ones(alike.sum(), dtype=np.int8), (start[alike], end[alike])
    _, component = connected_components(csr_array(edges, shape=(items, items)), directed=True, connection="strong")
    sizes, marked = np.bincount(component), np.zeros(items, dtype=bool)
    for one in np.unique(answers):
        own = component[answers == one]
        # the number of a component says nothing: that of the earliest item wins among equals
        marked |= component == own[sizes[own].argmax()]
    return marked


def surprise(probabilities: Float[Array, "items classes"], neighbours: Int[Array, "items k"]) -> Float[Array, "items"]:
    """Return the distance of each label to the mean of its neighbours' labels, half the absolute difference."""
    return np.abs(probabilities - probabilities[neighbours].mean(1)).sum(1) / 2


@dataclass(frozen=True)
class TopoFilter:
    """Keep the largest connected heart of each weak class, less its outliers."""

    neighbours: int = 50
    """k of the graph whose components are taken, at least 1; w2s's value."""
    outlier_neighbours: int = 50
    """Neighbours with whose labels each label is compared, at least 1; w2s's value."""
    contamination: float = 0.1
    """Share of all items that is dropped in the end, outside of components or as outliers, in [0, 1); more where the
    components leave out more; w2s's value."""

    truth: ClassVar[Truth] = "none"
    needs: ClassVar[tuple[Need, ...]] = ("student_states",)

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.outlier_neighbours < 1:
            found = f"{self.neighbours} and {self.outlier_neighbours}"
            raise ValueError(f"neighbours and outlier_neighbours must be at least 1, found {found}")
        if not 0 <= self.contamination < 1:
            raise ValueError(f"contamination must lie in [0, 1), found {self.contamination}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the labels with weight 0 outside the hearts of the classes.

        Raises FitError where one class only is left, or there are not more items than neighbours.
        """
        assert evidence.student_states is not None
        present = np.flatnonzero(labels.weights > 0)
        states = standardised(evidence.student_states[present])
        answers = labels.probabilities[present].argmax(1)
        left = np.flatnonzero(hearts(nearest(states, self.neighbours), answers))
        drop = int(self.contamination * len(present) + 1e-9) - (len(present) - len(left))
        if drop > 0 and len(left) > 1:
            k = min(self.outlier_neighbours, len(left) - 1)
            odd = surprise(labels.probabilities[present[left]], nearest(states[left], k))
            left = np.sort(left[np.argsort(odd, kind="stable")[: len(left) - drop]])
        if len(np.unique(answers[left])) < 2:
            raise FitError(f"topofilter: {len(left)} items of one class only are left; use more neighbours")
        return kept_only(labels, present[left])
