"""Performance gap recovered: how much of the way from weak supervisor to strong ceiling the student went.

    PGR = (student - weak) / (ceiling - weak)          each term the mean over seeds; never a mean of ratios

Burns et al. 2023, section 3  https://arxiv.org/abs/2312.09390

A ratio whose denominator may be 0 is not a number to print, so every PGR has a status. The gap is ceiling -
weak in the direction that is better (its sign turned where lower is better), with its 95 % interval:

    ok          the interval lies above 0 and the gap is at least 4 standard errors: percentiles of the ratio
                over draws (2 to 4 seeds: Fieller interval, whose quantiles know the number of seeds)
    imprecise   the interval lies above 0, the gap is under 4 standard errors: Fieller interval; also 2 to 4 seeds
                whose Fieller interval has no ends, whatever the gap
    no_gap      the interval holds 0, whatever the sign of the gap (one-sided 97.5 % test fails): no value
    reversed    the interval lies below 0, so the ceiling is shown to be worse than the weak model: no value
    self_pair   weak and strong are the same model: no value
    undefined   the metric has no value, or none in most draws: no value

Fieller interval: all R with  (N - R G)^2 <= K_NN - 2 R K_NG + R^2 K_GG,  N = student - weak, G = gap, K the
covariance of their seed means times the squared critical values (`scaled_covariance`).

Fieller 1954  https://doi.org/10.1111/j.2517-6161.1954.tb00159.x
Differs from openai/weak-to-strong: it prints a median PGR of 0.81 on a task where every model is at chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from trimtab.metrics.estimate import Estimate
from trimtab.metrics.intervals import (
    Interval,
    draws_left_out,
    item_covariance,
    mean_interval,
    percentiles,
    scaled_covariance,
    seed_covariance,
    seed_mean_draws,
    seed_share,
)
from trimtab.metrics.resample import Resample, Scores
from trimtab.types import Array

Status = Literal["ok", "imprecise", "no_gap", "reversed", "self_pair", "undefined"]

FEW_ITEMS = 30
"""Test items (or groups) below which a gap without any spread over draws is taken for luck."""

PRECISE = 4.0
"""Standard errors of the gap from which percentiles of the ratio are used."""


@dataclass(frozen=True)
class PGR(Estimate):
    """Performance gap recovered, or why there is none; in JSON the gap has a place of its own."""

    status: Status
    gap: Interval
    """Ceiling - weak in the direction that is better, in the metric's unit."""
    draws: Float[Array, "draws"] | None = field(default=None, repr=False, compare=False)
    """The ratio in each bootstrap draw, nan where undefined; None without a value."""


def performance_gap_recovered(
    weak: Scores,
    student: Scores,
    ceiling: Scores,
    resample: Resample,
    *,
    higher_is_better: bool = True,
    self_pair: bool = False,
) -> PGR:
    """Return the share of the gap that the student recovered: 0 = as good as the weak model, 1 = the ceiling.

    Raises ValueError where the scores were not made with one resample.
    """
    sign = 1.0 if higher_is_better else -1.0
    gap, gain = ceiling.minus(weak).times(sign), student.minus(weak).times(sign)
    interval = mean_interval(gap, resample)
    refusal = _refusal(gap, gain, interval, self_pair)
    if refusal:
        return PGR(None, None, None, *refusal, gap=interval)
    value = float(gain.point.mean() / gap.point.mean())
    # noise that only the gap or only the ratio's own direction shows must not be taken for precision
    share = max(seed_share(gap), seed_share(gain.minus(gap.times(value))))
    ratios = seed_mean_draws(gain, resample, share) / _nonzero(seed_mean_draws(gap, resample, share))
    left_out = draws_left_out(gain.minus(gap))
    errors = _standard_errors(gap)
    if np.isinf(errors) and resample.n_groups < FEW_ITEMS:
        reason = f"No draw of the {resample.n_groups} test items changes the gap: too few to tell how sure it is."
        return PGR(value, None, None, "imprecise", reason, interval, ratios)
    if errors >= PRECISE and interval.method != "crossed_t":
        return PGR(value, *percentiles(ratios), "ok", left_out, interval, ratios)
    low, high = fieller(gain, gap, share)
    if errors >= PRECISE and low is not None:
        return PGR(value, low, high, "ok", left_out, interval, ratios)
    if errors >= PRECISE:
        reason = (
            f"{len(gap.point)} seeds: they tell their own spread too badly for the ratio to have a bounded interval."
        )
    else:
        reason = f"The gap is {errors:.2f} standard errors, under {PRECISE:.0f}, so the ratio is uncertain"
        reason += " (Fieller interval)." if low is not None else " and its Fieller interval has no ends."
    return PGR(value, low, high, "imprecise", " ".join(filter(None, (reason, left_out))), interval, ratios)


def fieller(gain: Scores, gap: Scores, share: float) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % interval of gain / gap, or nothing where it is not bounded."""
    top, bottom = float(gain.point.mean()), float(gap.point.mean())
    covariance = scaled_covariance([gain, gap], share)
    return fieller_interval(top, bottom, covariance[0, 0], covariance[0, 1], covariance[1, 1])


def fieller_interval(
    top: float, bottom: float, var_top: float, covariance: float, var_bottom: float
) -> tuple[float, float] | tuple[None, None]:
    """Return all R with (top - R bottom)^2 <= var_top - 2 R covariance + R^2 var_bottom, if bounded.

    Variances are already multiplied by the squared critical value.

    >>> fieller_interval(1.0, 2.0, 0.0, 0.0, 1.0)  # (1 - 2R)^2 <= R^2
    (0.3333333333333333, 1.0)
    >>> fieller_interval(1.0, 2.0, 1.0, 0.0, 4.0)
    (None, None)
    """
    square = bottom**2 - var_bottom
    if square <= 0:
        return None, None
    half = top * bottom - covariance
    root = float(np.sqrt(max(0.0, half**2 - square * (top**2 - var_top))))  # below 0 by rounding only
    return (half - root) / square, (half + root) / square


def _refusal(gap: Scores, gain: Scores, interval: Interval, self_pair: bool) -> tuple[Status, str] | None:
    if self_pair:
        return "self_pair", "Weak and strong are the same model, so there is no gap to recover."
    if interval.mean is None or interval.low is None or interval.high is None:
        return "undefined", interval.reason or "The gap has no interval."
    if np.isnan(gain.point).any() or 2 * gain.minus(gap).undefined_draws > len(gain.draws):
        return "undefined", "The metric is undefined for the student, or is in most draws."
    ends = f"[{interval.low:+.4f}, {interval.high:+.4f}]"
    found = f"ceiling - weak = {interval.mean:+.4f} {ends}, better is positive"
    if interval.high < 0:
        return "reversed", f"The ceiling is worse than the weak supervisor: {found}."
    if interval.low <= 0:
        return "no_gap", f"The ceiling is not shown to be better than the weak supervisor: {found}."
    return None


def _standard_errors(gap: Scores) -> float:
    """Return the size of the gap in its own standard errors."""
    variance = item_covariance([gap])[0, 0] + seed_share(gap) * seed_covariance([gap])[0, 0]
    return float(abs(gap.point.mean()) / np.sqrt(variance)) if variance > 0 else np.inf


def _nonzero(values: Float[Array, "draws"]) -> Float[Array, "draws"]:
    """Return the values with nan for 0: a draw without any gap has no ratio."""
    return np.where(values == 0, np.nan, values)
