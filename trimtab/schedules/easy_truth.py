"""Easy to hard: the student learns the truth of the easy items, as its supervisor did, and is tested on the hard ones.

    min over the student of sum_i L(z_i, y_i)          i: supervisor items, all easy; no weak label is read

Beside it naive learns the hard items from the labels of a weak model that has learnt the same easy truth. Which of the
two reaches more of what hard truth would give (the ceiling) is the question.

Hase et al. 2024, section 3  https://arxiv.org/abs/2401.06751; Sun et al. 2024, levels 1 to 3 supervise levels 4 and 5
https://arxiv.org/abs/2403.09472
Differs from Hase et al.: the floor of PGR is the weak model on easy truth, and not the strong one without any training,
which is control (d); easy and hard truth are as many items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.types import Truth


@dataclass(frozen=True)
class EasyTruth:
    """Train on the ground truth of the easy items; for a split by level."""

    truth: ClassVar[Truth] = "supervisor"
    name: ClassVar[str] = "easy_truth"
    own_ceiling: ClassVar[bool] = False
