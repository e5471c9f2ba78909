"""Head, then body (LP-FT): fit the linear head first, then tune the model from there.

    W_0, b_0 = argmin sum_i w_i L(W f_0(x_i) + b, q_i) + penalty
    then min over body and head, from there, of sum_i w_i L(z_i, q_i)

A head that starts at 0 sends large, meaningless gradients through the body and distorts what was pretrained.

Kumar et al. 2022, section 3.3  https://arxiv.org/abs/2202.10054; for weak labels: scalable elicitation 2024
https://arxiv.org/abs/2410.13215
Differs from the latter, which trains stages of one optimiser: the head is a regularised probe, chosen like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class HeadThenBody:
    """Tuning starts from a fitted probe; for students with `fit: tune`."""

    truth: ClassVar[Truth] = "none"
    name: ClassVar[str] = "head_then_body"
    own_ceiling: ClassVar[bool] = True
