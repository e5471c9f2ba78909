"""The results of a search study: rows, the guide's check, the rewards, and what a reader must know first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.comparison.search.measured import MeasuredAnswers
from trimtab.comparison.search.rows import SearchRow, rows_json
from trimtab.metrics.intervals import LEVEL
from trimtab.metrics.resample import Resample

REWARDS = ("proxy", "gold")
USEFUL_ACCURACY = 0.7
"""Below such an accuracy on held-out items a classifier is called a poor judge; our choice."""


def envelope(
    rows: Sequence[SearchRow], measured: Mapping[str, MeasuredAnswers], groups: Sequence[int], resample: Resample,
    guide: Mapping[str, Any], facts: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Return results.json without what belongs to one run."""
    rewards = {name: facts[name]["held_out"] for name in REWARDS}
    return {
        "study": "search",
        "task": {"kind": facts["data"]["kind"], "notes": facts["data"]["notes"], "classes": facts["data"]["classes"]},
        "prompts": {name: facts["prompts"][name] for name in ("pairs", "development", "prompts")},
        "rows": rows_json(rows, measured, groups, resample),
        "guide": dict(guide) | {"made": [facts[f"guides.{one}"] for one in (0, 1) if f"guides.{one}" in facts]},
        "rewards": rewards,
        "value": facts.get("values.0"),
        "interval": {"level": LEVEL, "draws": len(resample.item_weights), "groups": resample.n_groups},
        "warnings": [*_of_rows(rows), *_of_guide(guide), *_of_rewards(rewards)],
    }


def _of_rows(rows: Sequence[SearchRow]) -> list[dict[str, Any]]:
    if any(row.on_curve == 1 for row in rows):
        return []
    return [_warning("no_base", "No method is `sample`: nothing is compared with the base model alone.")]


def _of_guide(guide: Mapping[str, Any]) -> list[dict[str, Any]]:
    if guide["passes"]:
        return []
    found = guide["concordance"]
    shown = "not defined" if found["mean"] is None else f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    return [
        _warning(
            "poor_guide",
            f"The guide does not order the base model's answers as the proxy reward does (concordance {shown}, 0.5 is "
            "chance): searching with it may fall below the base model. Train it longer, or on more pairs.",
        )
    ]


def _of_rewards(rewards: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _warning(
            "poor_reward",
            f"The {name} reward tells the classes apart on {one['accuracy']['mean']:.3f} of the held-out items only: "
            "what it says of answers is little worth.",
        )
        for name, one in rewards.items()
        if one["accuracy"]["mean"] is not None and one["accuracy"]["mean"] < USEFUL_ACCURACY
    ]


def _warning(code: str, text: str) -> dict[str, Any]:
    return {"code": code, "row": None, "text": text}
