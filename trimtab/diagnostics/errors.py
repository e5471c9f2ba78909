"""What became of the supervisor's errors: inherited, corrected, new, and how far the two models err together.

With the shares of test items on which both are right (a), only the student (b), only the supervisor (c), neither (d):

    inherited = P(student wrong | weak wrong) = d / (b + d)        corrected = b / (b + d) = 1 - inherited
    new       = P(student wrong | weak right) = c / (a + c)
    phi       = (a d - b c) / sqrt((a + b) (c + d) (a + c) (b + d))
    kappa     = (a + d - e) / (1 - e),        e = (a + b) (a + c) + (c + d) (b + d)

phi is the correlation of the two error indicators, kappa the agreement on being right or wrong beyond that of
independent errors. phi is set beside that of control (a), the same student on truth that was flipped at random as
often: its errors owe nothing to the supervisor's, so that what correlation is left comes from items that are hard for
both models.

Yule 1912 (phi)  https://doi.org/10.2307/2340126
Cohen 1960 (kappa)  https://doi.org/10.1177/001316446002000104; on errors: Geirhos et al. 2020
https://arxiv.org/abs/2006.16736
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from trimtab.diagnostics.per_item import Means
from trimtab.metrics.intervals import LEVEL, Interval, Resample, Scores, interval_method, mean_interval
from trimtab.metrics.metric import ratio
from trimtab.types import Array

Shares = Float[Array, "*shape four"]


def joint_errors(
    student: Float[Array, "items classes"], weak: Float[Array, "items classes"], gold: Int[Array, "items"]
) -> Float[Array, "items four"]:
    """Return which of the four cases each item is: both right, only the student, only the supervisor, neither."""
    right, weak_right = student.argmax(1) == gold, weak.argmax(1) == gold
    cases = [right & weak_right, right & ~weak_right, ~right & weak_right, ~right & ~weak_right]
    return np.stack(cases, 1).astype(float)


def inherited(shares: Shares) -> Float[Array, "*shape"]:
    """Return P(student wrong | weak wrong), nan where the supervisor is never wrong."""
    return ratio(shares[..., 3], shares[..., 1] + shares[..., 3])


def new(shares: Shares) -> Float[Array, "*shape"]:
    """Return P(student wrong | weak right), nan where the supervisor is never right."""
    return ratio(shares[..., 2], shares[..., 0] + shares[..., 2])


def phi(shares: Shares) -> Float[Array, "*shape"]:
    """Return the correlation of the two error indicators, nan where a model is always or never right."""
    a, b, c, d = np.moveaxis(shares, -1, 0)
    return ratio(a * d - b * c, np.sqrt((a + b) * (c + d) * (a + c) * (b + d)))


def kappa(shares: Shares) -> Float[Array, "*shape"]:
    """Return the agreement on being right or wrong beyond chance, nan where a model is always or never right.

    There it would be 0 whatever the other model does.
    """
    a, b, c, d = np.moveaxis(shares, -1, 0)
    chance = (a + b) * (a + c) + (c + d) * (b + d)
    varies = (a + b) * (c + d) * (a + c) * (b + d) > 0
    return ratio(a + d - chance, np.where(varies, 1 - chance, 0.0))


def errors_json(found: Means, control: Means | None, resample: Resample) -> dict[str, Any]:
    """Return every measure with its interval; `control` holds the four shares of control (a), where it ran."""
    correlation = _scores(phi, found, (-1.0, 1.0))
    versus = None
    if control is not None:
        versus = _interval(correlation.minus(_scores(phi, control, (-1.0, 1.0))), resample, _NEVER)
    return {
        "inherited": _interval(_scores(inherited, found, (0.0, 1.0)), resample, _NO_ERRORS).to_json(),
        "corrected": _interval(_scores(_corrected, found, (0.0, 1.0)), resample, _NO_ERRORS).to_json(),
        "new": _interval(_scores(new, found, (0.0, 1.0)), resample, _NO_SUCCESS).to_json(),
        "phi": _interval(correlation, resample, _NEVER).to_json(),
        "kappa": _interval(_scores(kappa, found, (-1.0, 1.0)), resample, _NEVER).to_json(),
        "phi_against_flipped": None if versus is None else versus.to_json(),
    }


_NO_ERRORS = "With some seed the supervisor is wrong on no test item."
_NO_SUCCESS = "With some seed the supervisor is right on no test item."
_NEVER = "With some seed a model is right on every test item, or on none."


def _corrected(shares: Shares) -> Float[Array, "*shape"]:
    return 1 - inherited(shares)


def _scores(measure: Callable[[Shares], Any], found: Means, bounds: tuple[float, float]) -> Scores:
    return Scores(measure(found.point), measure(found.draws), bounds)


def _interval(scores: Scores, resample: Resample, undefined: str) -> Interval:
    if np.isnan(scores.point).any():
        return Interval(None, None, None, LEVEL, interval_method(scores), undefined)
    return mean_interval(scores, resample)
