"""What is said about who is in the splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab.comparison.remarks import split_warnings


def splits(*digests: str) -> dict[str, Any]:
    return {"transfer": {"per_seed": [{"seed": seed, "digest": one} for seed, one in enumerate(digests)]}}


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [one["code"] for one in found]


def test_splits_that_no_seed_redraws_are_pointed_out() -> None:
    gold = np.array([0, 1])
    assert codes(split_warnings(splits("a", "a"), gold, ("x", "y"))) == ["fixed_splits"]
    assert split_warnings(splits("a", "b"), gold, ("x", "y")) == []
    assert split_warnings(splits("a"), gold, ("x", "y")) == [], "one seed is another matter"


def test_a_class_that_is_not_tested_is_named() -> None:
    (found,) = split_warnings(splits("a", "b"), np.array([0, 0, 2]), ("x", "y", "z"))
    assert found["code"] == "untested_class"
    assert "no item of class y:" in found["text"]
