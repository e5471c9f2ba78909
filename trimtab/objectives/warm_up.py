"""A weight of the student's own prediction that rises from 0 while the fit warms up, and stays.

w = alpha * min(1, progress / warm_up)
"""

from __future__ import annotations


def check_warm_up(alpha: float, warm_up: float) -> None:
    """Raise ValueError unless alpha lies in [0, 1] and warm_up in (0, 1]."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], found {alpha}")
    if not 0 < warm_up <= 1:
        raise ValueError(f"warm_up must lie in (0, 1], found {warm_up}")


def risen(alpha: float, warm_up: float, progress: float) -> float:
    """Return w at a share of the fit in [0, 1].

    >>> [risen(0.5, 0.2, progress) for progress in (0.0, 0.1, 0.2, 1.0)]
    [0.0, 0.25, 0.5, 0.5]
    """
    return alpha * min(1.0, progress / warm_up)
