"""Rows of a search study: each method with its rewards, fluency, diversity and cost, and what sets it apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.comparison.search.equal_compute import AtCompute, best_of_n_at
from trimtab.comparison.search.measured import MeasuredAnswers, mean_scores, ratio_scores
from trimtab.comparison.search.sign_flip import sign_flip
from trimtab.metrics.diversity import distinct
from trimtab.metrics.intervals import difference_interval, mean_interval
from trimtab.metrics.paired import holm
from trimtab.metrics.resample import Resample
from trimtab.types import Truth

DISTINCT = 2


@dataclass(frozen=True)
class SearchRow:
    """One method of a search study."""

    name: str
    method: str
    """The decode-time method behind the name."""
    settings: tuple[tuple[str, Any], ...]
    scorer: str
    """What chooses: "guide", "proxy", "gold" or "none"."""
    truth: Truth
    on_curve: int | None
    """N, where the row is best-of-N with the guide (1: the base model alone)."""


def rows_json(
    rows: Sequence[SearchRow], measured: Mapping[str, MeasuredAnswers], groups: Sequence[int], resample: Resample
) -> list[dict[str, Any]]:
    """Return one row per method, in their order. The row whose `on_curve` is 1 is what all are compared with."""
    curve = {row.on_curve: measured[row.name] for row in rows if row.on_curve is not None}
    base = curve.get(1)
    compared = [row.name for row in rows if base is not None and row.on_curve != 1]
    p_values = {name: sign_flip(measured[name].gold - base.gold, groups) for name in compared if base is not None}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True)) if p_values else {}
    found = []
    for row in rows:
        one = measured[row.name]
        made = _identity(row) | _measures(one, resample)
        if base is not None and row.name in p_values:
            made["vs_base"] = _against(one, base, resample, p_values[row.name], adjusted[row.name])
            made["over_optimisation"] = _over_optimisation(one, base, resample)
        if row.on_curve is None:
            made["vs_best_of_n"] = _at_equal_compute(one, best_of_n_at(one.flops, curve), resample)
        found.append(made)
    return found


def _identity(row: SearchRow) -> dict[str, Any]:
    return {
        "method": row.name,
        "kind": row.method,
        "settings": dict(row.settings),
        "scorer": row.scorer,
        "truth": row.truth,
        "best_of": row.on_curve,
    }


def _measures(one: MeasuredAnswers, resample: Resample) -> dict[str, Any]:
    means = {"gold": one.gold, "proxy": one.proxy, "tokens": one.tokens}
    found = {name: mean_interval(mean_scores(values, resample), resample).to_json() for name, values in means.items()}
    for name, top, bottom in (
        ("base_log_probability", one.base_nats, one.tokens),
        ("ngram_log_probability", one.ngram_nats, one.words),
    ):
        found[name] = mean_interval(ratio_scores(top, bottom, resample), resample).to_json()
    return found | {"distinct": _distinct(one), "cost": {"flops": one.flops, "seconds": one.seconds}}


def _distinct(one: MeasuredAnswers) -> dict[str, Any]:
    values = [distinct(texts, DISTINCT) for texts in one.texts]
    known = [value for value in values if value is not None]
    return {
        "n": DISTINCT,
        "mean": float(np.mean(known)) if len(known) == len(values) else None,
        "per_seed": values,
        "low": None,
        "high": None,
        "reason": "No interval: a draw with replacement holds prompts twice, which looks like repetition.",
    }


def _against(
    one: MeasuredAnswers, base: MeasuredAnswers, resample: Resample, p: float, p_holm: float
) -> dict[str, Any]:
    a, b = mean_scores(one.gold, resample), mean_scores(base.gold, resample)
    return {"gold": difference_interval(a, b, resample).to_json(), "p": p, "p_holm": p_holm}


def _over_optimisation(one: MeasuredAnswers, base: MeasuredAnswers, resample: Resample) -> dict[str, Any]:
    """Return how much more the proxy reward rose over the base than the gold reward did."""
    gained = [mean_scores(a - b, resample) for a, b in ((one.proxy, base.proxy), (one.gold, base.gold))]
    return difference_interval(gained[0], gained[1], resample).to_json()


def _at_equal_compute(one: MeasuredAnswers, at: AtCompute, resample: Resample) -> dict[str, Any]:
    if at.gold is None:
        return {"gold": None, "between": None, "reason": at.reason}
    a, b = mean_scores(one.gold, resample), mean_scores(at.gold, resample)
    return {"gold": difference_interval(a, b, resample).to_json(), "between": at.between, "reason": None}
