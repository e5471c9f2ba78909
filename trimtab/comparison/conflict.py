"""What a conflict did to a student, beside the same student without it; and what must be said of the second goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxtyping import Int

from trimtab.comparison.row import ConflictedRow, Row
from trimtab.comparison.tested import Models, Tested
from trimtab.diagnostics.deception import deception_json, indicators
from trimtab.diagnostics.per_item import Means, means
from trimtab.metrics.intervals import Resample, mean_interval
from trimtab.types import Array


def deceived(tested: Tested, row: ConflictedRow) -> dict[str, Any]:
    """Return the deception score of a row with all that stands beside it.

    The noise floor takes the student of the next seed without the conflict for the conflicted one.
    """

    def seen(student: Models) -> Means:
        models = (student, row.without_conflict, row.ceiling_predictions, row.weak_predictions)
        return tested.joint(models, indicators)

    plain = row.without_conflict
    noise = seen((*plain[1:], plain[0])) if len(plain) > 1 else None
    said = {"conflict": row.conflict, "second_items": row.second_items}
    return said | deception_json(seen(row.student_predictions), noise, tested.resample, tested.n_test)


def goals_json(gold: Int[Array, "items"], second: Int[Array, "items"], drawn: Resample) -> dict[str, Any]:
    """Return on which share of the test items two goals want the same answer; without a number, why not."""
    if (second < 0).any():
        reason = "What the second goal wants of the test items is unknown."
        return {"mean": None, "low": None, "high": None, "reason": reason}
    same = means((gold == second).astype(float)[None, :, None], drawn).column(0, (0.0, 1.0))
    reason = "The test split is one for all seeds: the interval is over its items."
    return replace(mean_interval(same, drawn), reason=reason).to_json()


def conflict_warnings(
    rows: Sequence[Row], not_run: Sequence[tuple[str, str]], goal: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return which methods were left out and why, and from how much truth of a second goal others have learnt."""
    found = [{"code": "not_run", "row": None, "text": f"{name} was not run: {reason}"} for name, reason in not_run]
    items = {row.second_items for row in rows if isinstance(row, ConflictedRow) and row.second_items}
    for count in sorted(items):
        agree = goal["agreement"]["mean"] if goal else None
        share = "an unknown share" if agree is None else f"{100 * agree:.0f} %"
        text = (
            f"Methods with an implicit conflict learn {count:,} true labels of a second goal beside the weak labels; "
            f"on {share} of the test items both goals want the same answer. Truth levels are about the first goal."
        )
        found.append({"code": "second_goal", "row": None, "text": text})
    return found
