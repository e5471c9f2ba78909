"""The balanced assignment: the most probable hard labels with given class counts, and the offset that makes them.

    max_h  sum_i s_{h(i), i}     with n_c items in class c;          b is its dual:  h(i) = argmax_c (s_ci + b_c)

Quantile steps, one class at a time, come close:

    b_c = - midpoint between the n_c-th and the next largest of  s_ci - max_{d != c} (s_di + b_d)

Items are then moved along shortest paths between classes, where the length of c -> d is the least s_ci - s_di of the
items in c: each move keeps the assignment the best one of its counts (successive shortest paths: Ahuja, Magnanti,
Orlin 1993, section 9.7). With D(c, e) the shortest distances at the end,

    b_c = mean_e (D(e, c) - D(c, e)) / 2

lies inside everything that b may be, whatever path led there; for two classes it is the midpoint of the quantile.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from trimtab.types import Array

MARGIN_NATS = 0.5
"""How far an empty class stays below the nearest item."""


def assignment_offset(scores: Float[Array, "classes items"], quotas: Int[Array, "classes"]) -> Float[Array, "classes"]:
    """Return the offset in nats at which class c is the largest of `quotas[c]` columns of scores + b."""
    scores = np.ascontiguousarray(scores)
    near = _quantile_offset(scores, quotas)
    assigned = (scores + near[:, None]).argmax(0)
    exact = _centre(_rebalance(scores, assigned, quotas), quotas)
    # only tied items can make the exact one worse
    return exact if _missed(scores, exact, quotas) <= _missed(scores, near, quotas) else near


def _counts(scores: Array, offset: Array) -> Int[Array, "classes"]:
    return np.bincount((scores + offset[:, None]).argmax(0), minlength=len(scores))


def _missed(scores: Array, offset: Array, quotas: Array) -> int:
    return int(np.abs(_counts(scores, offset) - quotas).sum())


def _quantile_offset(scores: Float[Array, "classes items"], quotas: Array) -> Float[Array, "classes"]:
    """Return the best of the quantile steps, each on the class that is furthest from its quota, until a whole round
    gains nothing."""
    items = scores.shape[1]
    offset = np.zeros(len(scores))
    best, least, gainless = offset.copy(), np.inf, 0
    while gainless < len(scores):
        excess = _counts(scores, offset) - quotas
        missed = np.abs(excess).sum()
        if missed < least:
            best, least, gainless = offset.copy(), missed, 0
        else:
            gainless += 1
        if missed == 0:
            break
        chosen = int(np.abs(excess).argmax())
        raised = scores + offset[:, None]
        raised[chosen] = -np.inf
        lead = scores[chosen] - raised.max(0)
        first = items - quotas[chosen]  # rank of the smallest lead that must win
        above = np.partition(lead, first)[first:].min() if first < items else lead.max() + 2 * MARGIN_NATS
        below = np.partition(lead, first - 1)[first - 1] if first > 0 else lead.min() - 2 * MARGIN_NATS
        offset[chosen] = -(above + below) / 2
    return best


def _rebalance(scores: Array, assigned: Int[Array, "items"], quotas: Array) -> Float[Array, "classes classes"]:
    """Move items until the counts are the quotas; return the shortest distances between the classes.

    `assigned` must be the best assignment of its own counts; it is changed in place.
    """
    classes = len(scores)
    rounding = 1e-12 * max(1.0, float(np.abs(scores).max()))
    excess = np.bincount(assigned, minlength=classes) - quotas
    lengths = np.stack([_lengths_from(scores, assigned, c) for c in range(classes)])
    while True:
        distance, following = _shortest_paths(lengths, rounding)
        if not excess.any():
            return distance
        between = np.where((excess > 0)[:, None] & (excess < 0), distance, np.inf)
        start, end = (int(one) for one in np.unravel_index(between.argmin(), between.shape))
        path = [start]
        while path[-1] != end:
            path.append(int(following[path[-1], end]))
        hops = list(pairwise(path))
        movable = [_nearest(scores, assigned, c, d, lengths[c, d] + rounding) for c, d in hops]
        together = min(int(excess[start]), -int(excess[end]), *(len(found) for found in movable))
        for (_, target), found in zip(hops, movable, strict=True):
            assigned[found[:together]] = target
        excess[start] -= together
        excess[end] += together
        for c in path:
            lengths[c] = _lengths_from(scores, assigned, c)


def _lengths_from(scores: Array, assigned: Array, c: int) -> Float[Array, "classes"]:
    """Return the least loss of score that takes one of c's items to each class; infinite where c has none."""
    own = scores[:, assigned == c]
    lengths = (own[c] - own).min(1, initial=np.inf)
    lengths[c] = 0
    return lengths


def _nearest(scores: Array, assigned: Array, c: int, d: int, most: float) -> Int[Array, "items"]:
    """Return the items of c that lose at most `most` in d: one, or several tied ones."""
    own = np.flatnonzero(assigned == c)
    return own[scores[c, own] - scores[d, own] <= most]


def _shortest_paths(lengths: Array, rounding: float) -> tuple[Float[Array, "classes classes"], Array]:
    """Return all shortest distances and the next class on each path (Floyd and Warshall)."""
    distance = lengths.copy()
    following = np.tile(np.arange(len(lengths)), (len(lengths), 1))
    for via in range(len(lengths)):
        detour = distance[:, via, None] + distance[via]
        # a gain within rounding may be a cycle of length 0 among tied items, which no path must enter
        shorter = detour < distance - rounding
        distance = np.where(shorter, detour, distance)
        following = np.where(shorter, following[:, via, None], following)
    return distance, following


def _centre(distance: Float[Array, "classes classes"], quotas: Array) -> Float[Array, "classes"]:
    """Return the offset in the middle of what the distances allow; empty classes stay just below all items."""
    held = quotas > 0
    among = distance[np.ix_(held, held)]
    offset = np.zeros(len(quotas))
    offset[held] = (among.mean(0) - among.mean(1)) / 2
    offset[~held] = (offset[held, None] + distance[np.ix_(held, ~held)]).min(0) - MARGIN_NATS
    return offset
