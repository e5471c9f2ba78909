"""Two methods on the same items: exact McNemar per seed, Holm over methods, mean rank over tasks.

McNemar asks, of one pair of trained models, whether the items on which only one of them is right fall evenly:

    n_10, n_01 = items that only a, only b gets right          n_10 ~ Binomial(n_10 + n_01, 1/2)

Seeds share the test items, so their p-values are not independent and must not be multiplied (Fisher) or
averaged as z-values (Stouffer). They are combined by a rule that holds under any dependence, one direction at
a time:

    p_direction = min(1, (S / k) p_(k)),  k = floor(S / 2) + 1          a majority of the seeds has to show it
    p = min(1, 2 min(p_a better, p_b better))

With one seed this is the exact two-sided McNemar test. It speaks of the models that were trained; whether
other seeds would say the same is what the interval of the difference is for. Items are taken as independent:
where they come in groups, read the interval.

McNemar 1947  https://doi.org/10.1007/BF02295996
Rueger 1978 (order statistics of dependent p-values), in Vovk & Wang 2020  https://arxiv.org/abs/1212.4966
Holm 1979  https://www.jstor.org/stable/4615733
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from trimtab.types import Array

FEW_TASKS = 6
"""Below so many tasks a mean rank describes and proves nothing."""


@dataclass(frozen=True)
class SeedTest:
    """Exact McNemar test of one seed."""

    only_a: int
    """Items that only a gets right."""
    only_b: int
    """Items that only b gets right."""
    p: float
    """Two-sided p-value."""


@dataclass(frozen=True)
class McNemar:
    """The test of each seed and their combination."""

    p: float
    """Two-sided p-value over all seeds."""
    per_seed: tuple[SeedTest, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {"p": self.p, "per_seed": [dict(vars(test)) for test in self.per_seed]}


@dataclass(frozen=True)
class MeanRanks:
    """Mean rank of each method over tasks; 1 is best."""

    ranks: tuple[float, ...]
    n_tasks: int
    descriptive: bool
    """True below 6 tasks: no conclusion is drawn from it."""


def mcnemar(a_correct: Bool[Array, "seeds items"], b_correct: Bool[Array, "seeds items"]) -> McNemar:
    """Return whether a and b are right equally often on the same items.

    Raises ValueError where the shapes differ or there is no seed.

    >>> a = np.array([[True] * 5 + [False]])
    >>> mcnemar(a, ~a).per_seed  # p = 2 (1 + 6) / 2^6
    (SeedTest(only_a=5, only_b=1, p=0.21875),)
    """
    if a_correct.shape != b_correct.shape or a_correct.ndim != 2 or not len(a_correct):
        raise ValueError(
            f"mcnemar needs two arrays of shape (seeds, items), not {a_correct.shape} and {b_correct.shape}"
        )
    return mcnemar_of_counts((a_correct & ~b_correct).sum(1), (b_correct & ~a_correct).sum(1))


def mcnemar_of_counts(only_a: Int[Array, "seeds"], only_b: Int[Array, "seeds"]) -> McNemar:
    """Return the same from how many items only a, and only b, gets right with each seed."""
    a_better = [_upper_tail(int(a), int(b)) for a, b in zip(only_a, only_b, strict=True)]
    b_better = [_upper_tail(int(b), int(a)) for a, b in zip(only_a, only_b, strict=True)]
    per_seed = tuple(
        SeedTest(int(a), int(b), min(1.0, 2 * min(up, down)))
        for a, b, up, down in zip(only_a, only_b, a_better, b_better, strict=True)
    )
    return McNemar(min(1.0, 2 * min(majority(a_better), majority(b_better))), per_seed)


def majority(p_values: Sequence[float]) -> float:
    """Return one p-value for several of any dependence: small where a majority of them is.

    >>> majority([0.01, 0.02, 0.9])
    0.03
    """
    k = len(p_values) // 2 + 1
    return min(1.0, len(p_values) / k * sorted(p_values)[k - 1])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for their number (family-wise error), in the order given.

        p_holm_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))

    Raises ValueError where one is not in [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    values = np.asarray(p_values, dtype=float)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"holm needs p-values between 0 and 1, not {list(p_values)}; leave out tests that were not made"
        )
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    return tuple(adjusted.tolist())


def mean_ranks(scores: Float[Array, "tasks methods"], *, higher_is_better: bool = True) -> MeanRanks:
    """Return each method's rank averaged over tasks; equal scores share the mean of their ranks.

    Raises ValueError where a score is missing.

    >>> mean_ranks(np.array([[0.9, 0.8, 0.8], [0.7, 0.6, 0.5]])).ranks
    (1.0, 2.25, 2.75)
    """
    if np.isnan(scores).any():
        raise ValueError("mean_ranks needs a score of every method on every task; leave out the incomplete ones")
    from scipy.stats import rankdata

    ranks = rankdata(-scores if higher_is_better else scores, axis=1).mean(0)
    return MeanRanks(tuple(ranks.tolist()), len(scores), len(scores) < FEW_TASKS)


def _upper_tail(more: int, fewer: int) -> float:
    """Return P(X >= more) for X ~ Binomial(more + fewer, 1/2)."""
    if more + fewer == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(more, more + fewer, 0.5, alternative="greater").pvalue)
