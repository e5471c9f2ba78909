"""A method beside best-of-N at its own compute: the curve of best-of-N, read at the method's FLOPs.

    r(F) = (1 - w) r_lower + w r_upper,    w = (log F - log F_lower) / (log F_upper - log F_lower)

prompt by prompt, between the two sizes of best-of-N whose FLOPs lie around the method's. Beyond the smallest and the
largest size that were run nothing is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.comparison.search.measured import MeasuredAnswers, SampleValues


@dataclass(frozen=True)
class AtCompute:
    """Best-of-N at some number of FLOPs."""

    gold: SampleValues | None
    """Reward of every prompt; none where no size of best-of-N is that cheap or that dear."""
    between: tuple[int, int] | None
    """The sizes N that were read between."""
    reason: str | None = None


def best_of_n_at(flops: float, curve: Mapping[int, MeasuredAnswers]) -> AtCompute:
    """Return best-of-N at so many FLOPs a prompt, from the sizes that were run."""
    sizes = sorted(curve, key=lambda n: curve[n].flops)
    if not sizes:
        return AtCompute(None, None, "no best-of-N with the same scorer was run")
    if flops < curve[sizes[0]].flops or flops > curve[sizes[-1]].flops:
        low, high = (curve[n].flops for n in (sizes[0], sizes[-1]))
        return AtCompute(
            None, None,
            f"it takes {flops:.2g} FLOPs a prompt; best-of-N was run from {low:.2g} (N = {sizes[0]}) to {high:.2g} "
            f"(N = {sizes[-1]})",
        )  # fmt: skip
    lower, upper = _around(flops, sizes, curve)
    if lower == upper:
        return AtCompute(curve[lower].gold, (lower, upper))
    begun, ended = math.log(curve[lower].flops), math.log(curve[upper].flops)
    share = (math.log(flops) - begun) / (ended - begun)
    return AtCompute((1 - share) * curve[lower].gold + share * curve[upper].gold, (lower, upper))


def _around(flops: float, sizes: Sequence[int], curve: Mapping[int, MeasuredAnswers]) -> tuple[int, int]:
    lower = [n for n in sizes if curve[n].flops <= flops][-1]
    upper = next(n for n in sizes if curve[n].flops >= flops)
    return lower, upper
