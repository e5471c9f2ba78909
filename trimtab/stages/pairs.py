"""Pairs of answers: a model reads each answer by itself, and what decides is the difference of the two.

    x_i = h(second) - h(first)        p(second) = sigmoid(w'x_i)

Every pair is learnt and asked in both orders, (x, q) and (-x, turned q), so that the order can decide nothing: the mean
of the features and the bias are 0, and p(second of a pair) = 1 - p(first of the same pair turned round).

Bradley and Terry 1952  https://doi.org/10.2307/2334029
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trimtab.stages.data import SIDES
from trimtab.stages.embed import Embed, description, with_weights
from trimtab.stages.predict import PredictProbe, evaluated, read_head
from trimtab.stages.train import PROBING, Select, TrainProbe, fit_facts, read_activations
from trimtab.types import Progress


@dataclass(frozen=True)
class EmbedPairs(Embed):
    """The difference of two answers' activations, per pair."""

    version: ClassVar[int] = 1

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "difference": "second - first"}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `activations.safetensors` (float32, in the order of the data's items)."""
        from safetensors.numpy import save

        from trimtab.models.activations import activations
        from trimtab.stages.tables import read_table, strings

        items = read_table(inputs["data"] / "items.parquet", list(SIDES))
        first, second = (strings(items, name) for name in SIDES)
        prompt = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["prompt"]
        found = activations(with_weights(self.spec, inputs), [*first, *second], prompt, progress, work)
        difference = found.values[len(first) :] - found.values[: len(first)]
        (out / "activations.safetensors").write_bytes(save({"activations": difference}))
        facts = {"model": self.spec.model, "truncated": found.truncated, "tokens": found.tokens}
        return facts | {"description": description(self.spec, prompt)}


def both_orders(asked: Any, items: int) -> Any:
    """Return a lesson on the activations of `in_both_orders`: every pair as it is, then turned round.

    Related items stay together, so that no fold holds one order of a pair and misses the other.
    """
    doubled = {
        "rows": np.concatenate([asked.rows, asked.rows + items]),
        "labels": np.concatenate([asked.labels, asked.labels[:, ::-1]]),
        "weights": np.concatenate([asked.weights, asked.weights]),
    }
    if hasattr(asked, "groups"):
        doubled["groups"] = np.concatenate([asked.groups, asked.groups])
    return replace(asked, **doubled)


def in_both_orders(folder: Path) -> Any:
    """Return the differences of an embed artifact, then those of the pairs turned round."""
    found = read_activations(folder)
    return np.concatenate([found, -found])


@dataclass(frozen=True)
class SelectPairs(Select):
    """The penalty of a probe on pairs."""

    code: ClassVar[tuple[str, ...]] = (*Select.code, "trimtab.stages.pairs")

    @classmethod
    def seen(cls, folder: Path) -> Any:
        return in_both_orders(folder)

    @classmethod
    def asked(cls, question: Any, items: int) -> Any:
        return both_orders(question, items)


@dataclass(frozen=True)
class TrainPairs(TrainProbe):
    """A reward that is linear in stored activations."""

    code: ClassVar[tuple[str, ...]] = (*PROBING, "trimtab.stages.pairs")

    @classmethod
    def seen(cls, folder: Path) -> Any:
        return in_both_orders(folder)

    @classmethod
    def asked(cls, problem: Any, items: int) -> Any:
        return both_orders(problem, items)

    def keep(self, solution: Any, out: Path) -> dict[str, Any]:
        """Write `head.safetensors` and `fit.json`; a pair in two orders is one item."""
        problem, selection, fitted = solution
        return fit_facts(out, fitted, selection, int((problem.weights > 0).sum()) // 2)


@dataclass(frozen=True)
class PredictPairs(PredictProbe):
    """A reward's answers on some splits of one seed: the mean over both orders of a pair."""

    version: ClassVar[int] = 1

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "orders": 2}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions

        head = read_head(inputs["model"])
        wanted, splits = evaluated(inputs["split"], self.parts)
        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
        values = read_activations(inputs["activations"])[rows_of(ids, wanted)]
        probabilities = (head.probabilities(values) + head.probabilities(-values)[:, ::-1]) / 2
        write_predictions(out, Predictions(wanted, splits, probabilities))
        return {"items": len(wanted)}
