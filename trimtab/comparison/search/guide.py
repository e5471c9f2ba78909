"""The guide before any search: does it order the base model's answers as the proxy reward does?

    concordance = #{pairs of answers to one prompt that both order alike} / #{pairs}        ties count one half
    correlation = Pearson's r of guide score and proxy reward over all answers

0.5 and 0 are what a guide gives that knows nothing of the reward. Kendall 1938 (ordered pairs)
https://doi.org/10.1093/biomet/30.1-2.81
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from trimtab.comparison.search.measured import divided, ratio_scores
from trimtab.metrics.intervals import mean_interval
from trimtab.metrics.resample import Resample, Scores, resample
from trimtab.types import Array

CHANCE = 0.5


def guide_json(
    guide: Float[Array, "prompts samples"], proxy: Float[Array, "prompts samples"], groups: Sequence[int]
) -> dict[str, Any]:
    """Return concordance and correlation with intervals over prompts, and whether the guide passes.

    It passes where the concordance's interval lies above one half.
    """
    drawn = resample(np.asarray(groups), len(guide), 1)
    alike, pairs = ordered_alike(guide, proxy)
    concordance = mean_interval(ratio_scores(alike[None], pairs[None], drawn), drawn)
    correlation = mean_interval(correlations(guide, proxy, drawn), drawn)
    passes = concordance.low is not None and concordance.low > CHANCE
    return {
        "prompts": len(guide),
        "samples": guide.shape[1],
        "concordance": concordance.to_json(),
        "correlation": correlation.to_json(),
        "passes": passes,
    }


def ordered_alike(
    guide: Float[Array, "prompts samples"], proxy: Float[Array, "prompts samples"]
) -> tuple[Float[Array, "prompts"], Float[Array, "prompts"]]:
    """Return of each prompt how many pairs of answers are ordered alike, and how many pairs the proxy orders at all.

    >>> [found.tolist() for found in ordered_alike(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]]))]
    [[2.0], [3.0]]
    """
    first, second = np.triu_indices(guide.shape[1], 1)
    a, b = (np.sign(values[:, first] - values[:, second]) for values in (guide, proxy))
    return np.where(b == 0, 0.0, (1 + a * b) / 2).sum(1), (b != 0).sum(1).astype(float)


def correlations(
    guide: Float[Array, "prompts samples"], proxy: Float[Array, "prompts samples"], drawn: Resample
) -> Scores:
    """Return Pearson's r over all answers, as it is and under each draw of the prompts."""
    x, y = guide - guide.mean(), proxy - proxy.mean()
    sums = np.stack([values.sum(1) for values in (np.ones_like(x), x, y, x * x, y * y, x * y)])
    draws = np.empty((len(drawn.item_weights), 1))
    for place, weights in drawn.chunks():
        draws[place, 0] = _r(sums @ weights.T)
    return Scores(_r(sums.sum(1, keepdims=True)), draws, (-1.0, 1.0))


def _r(sums: Float[Array, "six draws"]) -> Float[Array, "draws"]:
    n, x, y, xx, yy, xy = sums
    spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
    return divided(xy - x * y / n, np.sqrt(spread))
