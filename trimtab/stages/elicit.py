"""Elicit: what a model knows without any label, read off its states."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import settings_of
from trimtab.errors import FitError
from trimtab.stages.embed import Embed
from trimtab.stages.stage import Stage
from trimtab.stages.train import read_activations
from trimtab.supervisors.ccs import ContrastConsistent
from trimtab.supervisors.icm import InternalCoherence
from trimtab.types import Progress


@dataclass(frozen=True)
class EmbedAnswered(Embed):
    """Activations after the prompt and one of the class names as its answer."""

    answer: int = 0

    @cached_property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"answer": self.answer}

    @property
    def title(self) -> str:
        return f"embed answer {self.answer} with {self.spec.model}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `activations.safetensors`."""
        from trimtab.models.text import template_of

        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        prompt = template_of(self.spec, facts["prompt"], causal=True)
        space = "" if prompt[-1:].isspace() else " "
        answered = replace(self.spec, template=prompt + space + facts["classes"][self.answer])
        return Embed(self.data, answered).run(inputs, out, work, progress)


@dataclass(frozen=True)
class PredictConsistent(Stage):
    """Contrast-consistent search on the transfer texts."""

    data: Stage
    split: Stage
    negative: Stage
    positive: Stage
    asked: Stage
    """The model's own answers, which say which end is class 1."""
    supervisor: ContrastConsistent
    seed: int
    parts: tuple[str, ...]

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.ccs", "trimtab.stages.elicit")

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {"decay": self.supervisor.decay, "starts": self.supervisor.starts}
        return chosen | {"seed": self.seed, "parts": settings_of(self.parts)}

    @property
    def title(self) -> str:
        return "contrast-consistent search"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`.

        Raises FitError where the task has not two classes.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        from trimtab.stages.tables import write_predictions
        from trimtab.supervisors.ccs import STREAM, answers, contrast_consistent, oriented

        seen = _Seen(inputs, self.parts, "ccs")
        learn = seen.transfer
        sides = []
        for name in ("positive", "negative"):
            states = read_activations(inputs[name])[seen.rows].astype(np.float64)
            deviation = states[learn].std(0)
            sides.append((states - states[learn].mean(0)) / np.where(deviation > 0, deviation, 1))
        settings = self.supervisor
        with threadpool_limits(1):  # the bits of a sum depend on the number of threads
            generator = np.random.default_rng([self.seed, STREAM])
            plus, minus = sides
            found = contrast_consistent(plus[learn], minus[learn], settings.decay, settings.starts, generator)
            positive = answers(found, plus, minus)
        if not oriented(positive[learn], seen.anchor[learn]):
            positive = 1 - positive
        write_predictions(out, seen.predictions(positive))
        return {"items": len(positive)}


@dataclass(frozen=True)
class PredictCoherent(Stage):
    """Internal coherence maximisation on the transfer texts."""

    data: Stage
    split: Stage
    states: Stage
    asked: Stage
    """The model's own answers, from which the search begins."""
    supervisor: InternalCoherence
    seed: int
    parts: tuple[str, ...]

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.icm", "trimtab.stages.elicit")

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {name: getattr(self.supervisor, name) for name in ("ridge", "sharpness", "sweeps")}
        return chosen | {"seed": self.seed, "parts": settings_of(self.parts)}

    @property
    def title(self) -> str:
        return "internal coherence maximisation"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`: certain labels of the transfer texts, and what they say of the test texts.

        Raises FitError where the task has not two classes.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        from trimtab.stages.tables import write_predictions
        from trimtab.supervisors.icm import STREAM, annealed, leave_one_out, ridge_answers

        seen = _Seen(inputs, self.parts, "icm")
        states = read_activations(inputs["states"])[seen.rows]
        learn, settings = seen.transfer, self.supervisor
        with threadpool_limits(1):  # the bits of a sum depend on the number of threads
            first = (seen.anchor[learn] > np.median(seen.anchor[learn])).astype(int)
            generator = np.random.default_rng([self.seed, STREAM])
            loo = leave_one_out(states[learn], settings.ridge)
            labels = annealed(loo, first, settings.sharpness, settings.sweeps, generator)
            others = ridge_answers(states[learn], 2.0 * labels - 1, states, settings.ridge)
        positive = 1 / (1 + np.exp(-settings.sharpness * others))
        positive[learn] = labels
        write_predictions(out, seen.predictions(positive))
        return {"items": len(positive), "changed": int((labels != first).sum())}


class _Seen:
    """The items of one seed's splits, and what the model answers about them when it is asked."""

    def __init__(self, inputs: Mapping[str, Path], parts: tuple[str, ...], name: str) -> None:
        import numpy as np

        from trimtab.stages.predict import evaluated
        from trimtab.stages.tables import read_predictions, read_table, rows_of, strings

        classes = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"]
        if len(classes) != 2:
            raise FitError(f"{name} tells two classes apart, the task has {len(classes)} ({', '.join(classes)})")
        self.ids, self.splits = evaluated(inputs["split"], parts)
        self.rows = rows_of(strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id"), self.ids)
        self.transfer = np.flatnonzero(np.array(self.splits) == "transfer")
        asked = read_predictions(inputs["asked"])
        self.anchor = asked.probabilities[rows_of(asked.ids, self.ids), 1]

    def predictions(self, positive: Any) -> Any:
        """Return probabilities of class 1 as a table of predictions."""
        import numpy as np

        from trimtab.stages.tables import Predictions

        return Predictions(self.ids, self.splits, np.stack([1 - positive, positive], 1))
