"""Choices: a model reads each of an item's own answers, and a softmax over them decides.

    h(x_i, c) for every choice c -> one score w'h -> p(c | x_i) = softmax over the choices of item i

Labels and predictions have one column for each place, p0, p1, ..; beyond an item's last choice they are exactly 0.

McFadden 1974  https://eml.berkeley.edu/reprints/mcfadden/zarembka.pdf
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trimtab.digest import settings_of
from trimtab.stages.data import CHOICES
from trimtab.stages.embed import Embed, description, with_weights
from trimtab.stages.label import LabelFlipped, LabelGold
from trimtab.stages.predict import PredictProbe, evaluated
from trimtab.stages.stage import Stage
from trimtab.stages.train import PROBING, Select, TrainProbe
from trimtab.types import Labels, Progress

CHOOSING = (
    *PROBING,
    "trimtab.fit.choice_design",
    "trimtab.fit.choice_features",
    "trimtab.fit.choice_probe",
    "trimtab.fit.choice_slopes",
    "trimtab.stages.choices",
)
"""Modules that a score of choices comes from."""


@dataclass(frozen=True)
class EmbedChoices(Embed):
    """One activation per choice of every item."""

    version: ClassVar[int] = 1

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "rows": "choices"}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `activations.safetensors`: float32 rows item by item, and where each item's rows start."""
        from safetensors.numpy import save

        from trimtab.models.choice_activations import choice_activations
        from trimtab.stages.tables import read_table

        choices = read_table(inputs["data"] / "items.parquet", [CHOICES])[CHOICES].to_pylist()
        prompt = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["prompt"]
        found = choice_activations(with_weights(self.spec, inputs), choices, prompt, progress, work)
        starts = np.concatenate([[0], np.cumsum([len(one) for one in choices])]).astype(np.int64)
        (out / "activations.safetensors").write_bytes(save({"activations": found.values, "starts": starts}))
        facts = {"model": self.spec.model, "truncated": found.truncated, "tokens": found.tokens}
        return facts | {"description": description(self.spec, prompt)}


@dataclass(frozen=True)
class SelectChoices(Select):
    """The penalty of a score of choices."""

    code: ClassVar[tuple[str, ...]] = (*Select.code, *CHOOSING, "trimtab.fit.choice_select")

    @classmethod
    def seen(cls, folder: Path) -> Any:
        return read_choices(folder)

    @classmethod
    def chosen(cls, seen: Any, asked: Sequence[Any]) -> Sequence[Any]:
        from trimtab.fit.choice_select import select_choices

        return select_choices(seen, asked)


@dataclass(frozen=True)
class TrainChoices(TrainProbe):
    """A score of choices that is linear in stored activations."""

    code: ClassVar[tuple[str, ...]] = CHOOSING

    @classmethod
    def seen(cls, folder: Path) -> Any:
        return read_choices(folder)

    @classmethod
    def fits(cls, seen: Any, problems: Sequence[Any]) -> Sequence[Any]:
        from trimtab.fit.choice_probe import fit_choices

        return fit_choices(seen, problems)


@dataclass(frozen=True)
class PredictChoices(PredictProbe):
    """A fitted score's answers on some splits of one seed."""

    version: ClassVar[int] = 1

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "over": "choices"}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        from safetensors.numpy import load_file

        from trimtab.fit.choice_probe import ChoiceHead
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions

        head = ChoiceHead(**load_file(inputs["model"] / "head.safetensors"))
        wanted, splits = evaluated(inputs["split"], self.parts)
        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
        choices = len(json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"])
        found = head.probabilities(read_choices(inputs["activations"]), rows_of(ids, wanted), choices)
        write_predictions(out, Predictions(wanted, splits, found))
        return {"items": len(wanted)}


@dataclass(frozen=True)
class LabelFlippedChoices(LabelFlipped):
    """Control (a): ground truth that errs as often as the weak labels, towards another of the item's own choices."""

    data: Stage

    code: ClassVar[tuple[str, ...]] = ("trimtab.supervise.flipped_choices",)

    @classmethod
    def of(cls, gold: LabelGold, weak: Stage, seed: int) -> LabelFlippedChoices:
        """Return the stage for ground truth, which knows the data whose choices are counted."""
        return cls(gold, weak, seed, gold.data)

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"seed": settings_of(self.seed), "towards": "own choices"}

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings, write_labels
        from trimtab.supervise.flipped_choices import flipped_choices

        gold, weak = read_labels(inputs["gold"]), read_labels(inputs["weak"])
        rows = rows_of(gold.ids, weak.ids)
        aligned = Labels(weak.ids, gold.probabilities[rows], gold.weights[rows], "oracle")
        items = read_table(inputs["data"] / "items.parquet", ["id", CHOICES])
        counts = np.array([len(its) for its in items[CHOICES].to_pylist()])
        own = counts[rows_of(strings(items, "id"), weak.ids)]
        write_labels(out, flipped_choices(aligned, weak, own, self.seed))
        return {"items": len(weak.ids), "truth": self.truth}


def read_choices(folder: Path) -> Any:
    """Return an embed artifact's choices."""
    from safetensors.numpy import load_file

    from trimtab.fit.choice_features import ChoiceFeatures

    found = load_file(folder / "activations.safetensors")
    return ChoiceFeatures(found["activations"], found["starts"])


def within_items(folder: Path, items: Sequence[int], most: int) -> Any:
    """Return up to `most` rows of some items' choices, each less the mean of its item: what tells choices apart."""
    seen, found = read_choices(folder), []
    for item in items:
        if sum(map(len, found)) >= most:
            break
        found.append(seen.centred(np.array([item]), int(seen.counts[item]))[0])
    return np.concatenate(found)[:most]
