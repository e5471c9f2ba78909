"""Intrinsic dimension of a model's activations: in how many directions texts differ from those next to them.

    mu_i = r_i2 / r_i1        distances of item i to its second and to its nearest neighbour
    d = (n - 1) / sum_i log mu_i        interval: chi2_{2n}(tail) / (2 sum_i log mu_i)

because mu has the law P(mu > t) = t^-d where points are spread evenly around each item. The interval takes the items'
ratios for independent. Beside it the participation ratio, how many principal axes share the variance:

    (sum_k m_k)^2 / sum_k m_k^2,        m_k = variance along axis k

Facco et al. 2017 (TwoNN)  https://doi.org/10.1038/s41598-017-11873-y
Denti et al. 2022 (its likelihood)  https://doi.org/10.1038/s41598-022-20991-1
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from trimtab.metrics.intervals import LEVEL
from trimtab.types import Array

MOST, LEAST = 2000, 20
"""Items that are looked at: the first of them; distances of all pairs are held at once."""


def two_nearest(values: Float[Array, "items hidden"]) -> Float[Array, "items two"]:
    """Return each item's distances to its nearest and its second nearest neighbour."""
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    norms = (centred**2).sum(1)
    squared = np.maximum(norms[:, None] + norms - 2 * centred @ centred.T, 0)
    np.fill_diagonal(squared, np.inf)
    return np.sqrt(np.partition(squared, 1, axis=1)[:, :2])


def participation_ratio(values: Float[Array, "items hidden"]) -> float:
    """Return how many principal axes share the variance: all of them if it is even, 1 if one has it all."""
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    products = centred.T @ centred if centred.shape[1] < len(centred) else centred @ centred.T
    return float(np.trace(products) ** 2 / (products**2).sum())


def dimension_json(values: Float[Array, "items hidden"]) -> dict[str, Any]:
    """Return the intrinsic dimension with its interval, and the participation ratio; without a number, why not."""
    from scipy.stats import chi2

    distinct = np.unique(values[:MOST], axis=0)
    if len(distinct) < LEAST:
        reason = f"{len(distinct)} different activations: too few to tell a dimension; wanted {LEAST}."
        return {"mean": None, "low": None, "high": None, "participation_ratio": None, "reason": reason}
    nearest = two_nearest(distinct)
    nearest = nearest[nearest[:, 0] > 0]  # what rounding cannot tell apart counts as a copy
    ratios = np.log(nearest[:, 1] / nearest[:, 0])
    count, total = len(ratios), float(ratios.sum())
    if not 0 < total < np.inf:
        reason = "The two nearest neighbours of every item are equally far, as on a grid: no dimension can be told."
        return {"mean": None, "low": None, "high": None, "participation_ratio": None, "reason": reason}
    low, high = (float(chi2.ppf(tail, 2 * count)) / (2 * total) for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    found = {"mean": (count - 1) / total, "low": low, "high": high}
    return {**found, "participation_ratio": participation_ratio(distinct), "reason": None}
