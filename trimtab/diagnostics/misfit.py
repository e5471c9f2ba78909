"""Misfit against gain: how far the student departs from its supervisor, and how much better it became by it.

On the test inputs, with the student's p, the supervisor's q and the truth y:

    nats      misfit = mean_i KL(p_i || q_i)               gain = mean_i [CE(y_i, q_i) - CE(y_i, p_i)]
    squared   misfit = mean_i sum_c (p_ic - q_ic)^2        gain = mean_i [sum_c (q_ic - y_ic)^2 - sum_c (p_ic - y_ic)^2]

Misfit needs no truth. Where the student is the closest point to its supervisor in a convex set of models that holds the
truth, gain >= misfit (in that divergence, student first), with equality where the set is flat. A student that was
fitted otherwise, or a truth that is out of its reach, may gain less than it departs: that is what the difference says.

Charikar et al. 2024 (squared)  https://arxiv.org/abs/2405.15116
Mulgund and Pabbaraju 2025 (Bregman divergences, cross-entropy)  https://arxiv.org/abs/2501.19105
Statements as summarised by their authors' abstracts and notes; the papers' own text was not at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from trimtab.diagnostics.per_item import Means
from trimtab.metrics.intervals import Resample, mean_interval
from trimtab.types import Array

LEAST = 1e-12
"""Probabilities below it count as it, so that one certain mistake is a large number and not infinity."""


def misfit_and_gain(
    student: Float[Array, "items classes"], weak: Float[Array, "items classes"], gold: Int[Array, "items"]
) -> Float[Array, "items four"]:
    """Return misfit and gain in nats, then both in squared distance, of each item."""
    log_p, log_q = (np.log(np.maximum(one, LEAST)) for one in (student, weak))
    truth = np.eye(student.shape[1])[gold]
    columns = (
        (student * (log_p - log_q)).sum(1),
        ((log_p - log_q) * truth).sum(1),
        ((student - weak) ** 2).sum(1),
        ((weak - truth) ** 2).sum(1) - ((student - truth) ** 2).sum(1),
    )
    return np.stack(columns, 1)


def misfit_json(found: Means, resample: Resample) -> dict[str, Any]:
    """Return misfit, gain and gain - misfit of both divergences with their intervals."""
    return {unit: _pair(found, place, resample) for unit, place in (("nats", 0), ("squared", 2))}


def _pair(found: Means, place: int, resample: Resample) -> dict[str, Any]:
    misfit, gain = found.column(place, (0.0, np.inf)), found.column(place + 1)
    return {
        "misfit": mean_interval(misfit, resample).to_json(),
        "gain": mean_interval(gain, resample).to_json(),
        "gain_less_misfit": mean_interval(gain.minus(misfit), resample).to_json(),
    }
