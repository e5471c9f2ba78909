"""Predict without a model of one's own: people, made-up annotators, ensembles, a model that is only asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import settings_of
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.predict import evaluated
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress


@dataclass(frozen=True)
class PredictRatings(Stage):
    """What people said of each item, drawn anew by the seed."""

    data: Stage
    split: Stage
    crowd: int
    seed: int
    parts: tuple[str, ...]

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.human_ratings",)

    @property
    def title(self) -> str:
        return f"{self.crowd} human rating{'s' if self.crowd > 1 else ''} per item"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`.

        Raises FitError where the data hold too few ratings, or not two classes.
        """
        import numpy as np

        from trimtab.errors import FitError
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions
        from trimtab.supervisors.human_ratings import STREAM, crowd_labels

        file = inputs["data"] / "ratings.parquet"
        held = read_table(file) if file.is_file() else None
        most = 0 if held is None else len(held["ratings"][0])
        if held is None or most < self.crowd:
            raise FitError(
                f"{self.crowd} human ratings are drawn per item and the task holds {most} back for it; set "
                f"`held_ratings: {self.crowd}` of a task with single ratings (movie_, tweet_ or product_sentiment)"
            )
        classes = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"]
        if len(classes) != 2:
            raise FitError(
                f"human_ratings tells two classes apart, and the task has {len(classes)} ({', '.join(classes)})"
            )
        ids = strings(held, "id")
        wanted, splits = evaluated(inputs["split"], self.parts)
        # every item draws by its place in the data, so that who else is asked changes nothing
        everything = crowd_labels(np.array(held["ratings"].to_pylist()), self.crowd, _generator(self.seed, STREAM))
        write_predictions(out, Predictions(wanted, splits, everything[rows_of(ids, wanted)]))
        return {"items": len(wanted)}


@dataclass(frozen=True)
class PredictAnnotator(Stage):
    """What an annotator with a stated confusion matrix says of each item."""

    data: Stage
    split: Stage
    confusion: tuple[tuple[float, ...], ...]
    seed: int
    parts: tuple[str, ...]

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.annotator",)

    @property
    def title(self) -> str:
        return "a made-up annotator"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`.

        Raises FitError where the matrix has not a row for every class.
        """
        import numpy as np

        from trimtab.errors import FitError
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions
        from trimtab.supervisors.annotator import STREAM, annotated

        classes = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["classes"]
        if len(self.confusion) != len(classes):
            raise FitError(
                f"annotator: confusion has {len(self.confusion)} rows, the task {len(classes)} classes "
                f"({', '.join(classes)})"
            )
        table = read_table(inputs["data"] / "gold.parquet")
        gold, ids = table["gold"].to_numpy(), strings(table, "id")
        shares = np.bincount(gold, minlength=len(classes)) / len(gold)
        everything = annotated(gold, shares, np.array(self.confusion), _generator(self.seed, STREAM))
        wanted, splits = evaluated(inputs["split"], self.parts)
        write_predictions(out, Predictions(wanted, splits, everything[rows_of(ids, wanted)]))
        return {"items": len(wanted)}


@dataclass(frozen=True)
class PredictEnsemble(Stage):
    """What several weak models say together."""

    predictions: tuple[Stage, ...]
    rule: str
    """Whose formula joins them: mean_ensemble, bagging, adaboost or dirichlet_ensemble."""
    prior: float | None = None
    """Pseudo-counts, for dirichlet_ensemble."""
    labels: tuple[Stage, ...] = ()
    """The weights that each member learnt with, for adaboost."""
    parts: tuple[str, ...] = ("transfer", "test")

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = (
        "trimtab.supervisors.mean_ensemble",
        "trimtab.supervisors.adaboost",
        "trimtab.supervisors.dirichlet_ensemble",
        "trimtab.stages.supervisors",
    )

    @property
    def title(self) -> str:
        return f"{self.rule}, {len(self.predictions)} members"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        import numpy as np

        from trimtab.stages.tables import read_predictions, rows_of, write_predictions
        from trimtab.supervisors.adaboost import voted
        from trimtab.supervisors.dirichlet_ensemble import dirichlet_mean
        from trimtab.supervisors.mean_ensemble import mean_of_members

        told = [read_predictions(inputs[f"predictions.{i}"]) for i in range(len(self.predictions))]
        first = told[0].of_parts(self.parts)
        members = np.stack([one.probabilities[rows_of(one.ids, first.ids)] for one in told])
        facts: dict[str, Any] = {"items": len(first.ids), "members": len(members)}
        if self.rule == "dirichlet_ensemble":
            assert self.prior is not None
            joined = dirichlet_mean(members, self.prior)
        elif self.rule == "adaboost":
            voices = [self._voice(inputs, i, one) for i, one in enumerate(told)]
            joined, facts["voices"] = voted(members, np.array(voices)), voices
        else:
            joined = mean_of_members(members)
        write_predictions(out, replace(first, probabilities=joined))
        return facts

    def _voice(self, inputs: Mapping[str, Path], number: int, told: Any) -> float:
        from trimtab.stages.tables import read_labels
        from trimtab.supervisors.adaboost import member_voice

        labels = read_labels(inputs[f"labels.{number}"])
        return member_voice(_wrong(told, labels), labels.weights, labels.probabilities.shape[1])


@dataclass(frozen=True)
class LabelResampled(Stage):
    """A bootstrap sample of labels, as weights."""

    labels: Stage
    number: int
    seed: int

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.bagging",)

    @property
    def title(self) -> str:
        return f"bootstrap sample {self.number + 1}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the labels with the weights of one sample."""
        import numpy as np

        from trimtab.stages.tables import read_labels, write_labels
        from trimtab.supervisors.bagging import STREAM, bootstrap_weights

        labels = read_labels(inputs["labels"])
        generator = np.random.default_rng([self.seed, STREAM, self.number])
        after = replace(labels, weights=labels.weights * bootstrap_weights(len(labels.ids), generator))
        write_labels(out, after)
        return {"items": len(after.ids), "kept": int((after.weights > 0).sum()), "truth": after.truth}


@dataclass(frozen=True)
class LabelBoosted(Stage):
    """Labels that weigh more where a member was wrong about them."""

    labels: Stage
    predictions: Stage

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.adaboost", "trimtab.stages.supervisors")

    @property
    def title(self) -> str:
        return "weights for the next member"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the labels with the next member's weights."""
        from trimtab.stages.tables import read_labels, read_predictions, write_labels
        from trimtab.supervisors.adaboost import boosted

        labels = read_labels(inputs["labels"])
        wrong = _wrong(read_predictions(inputs["predictions"]), labels)
        after = replace(labels, weights=boosted(wrong, labels.weights, labels.probabilities.shape[1]))
        write_labels(out, after)
        return {"items": len(after.ids), "wrong": int(wrong.sum()), "truth": after.truth}


@dataclass(frozen=True)
class PredictSelected(Stage):
    """The items of one seed's splits out of answers to all."""

    split: Stage
    asked: Stage
    parts: tuple[str, ...]

    kind: ClassVar[str] = "predict"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.supervisors",)

    @property
    def title(self) -> str:
        return "take the answers of one seed"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`.

        Raises FitError where the model could not be asked.
        """
        from trimtab.errors import FitError
        from trimtab.stages.tables import Predictions, read_predictions, rows_of, write_predictions
        from trimtab.store import facts_of

        reason = facts_of(inputs["asked"]).get("refused")
        if reason:
            raise FitError(f"the supervisor cannot be asked: {reason}")
        found = read_predictions(inputs["asked"])
        wanted, splits = evaluated(inputs["split"], self.parts)
        write_predictions(out, Predictions(wanted, splits, found.probabilities[rows_of(found.ids, wanted)]))
        return {"items": len(wanted)}


@dataclass(frozen=True)
class PredictPrompted(Stage):
    """A causal model's own answers, after a few solved examples."""

    data: Stage
    split: Stage
    spec: ModelSpec
    shots: int
    seed: int
    parts: tuple[str, ...]
    examples: Stage
    """Labels to take examples from."""

    kind: ClassVar[str] = "predict"
    version: ClassVar[int] = 2
    code: ClassVar[tuple[str, ...]] = ("trimtab.supervisors.prompted",)

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {"shots": self.shots, "seed": self.seed, "parts": settings_of(self.parts)}
        return chosen | {"model": model_identity(self.spec)}

    @property
    def title(self) -> str:
        return f"ask {self.spec.model}, {self.shots} examples"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.spec)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `predictions.parquet`."""
        from trimtab.models.text import template_of
        from trimtab.models.zero_shot import zero_shot
        from trimtab.stages.tables import Predictions, read_table, rows_of, strings, write_predictions

        items = read_table(inputs["data"] / "items.parquet", ["id", "text"])
        ids, texts = strings(items, "id"), strings(items, "text")
        facts = json.loads((inputs["data"] / "data.json").read_text("utf-8"))
        prompt, classes = facts["prompt"], facts["classes"]
        chosen, answers = self._chosen(inputs["examples"], classes)
        shown = [texts[row] for row in rows_of(ids, chosen)]
        spec = replace(self.spec, template=_solved(template_of(self.spec, prompt, causal=True), shown, answers))
        wanted, splits = evaluated(inputs["split"], self.parts)
        found = zero_shot(spec, [texts[row] for row in rows_of(ids, wanted)], prompt, classes, progress)
        write_predictions(out, Predictions(wanted, splits, found.probabilities))
        return {"items": len(wanted), "model": spec.model, "truncated": found.truncated, "tokens": found.tokens}

    def _chosen(self, folder: Path, classes: list[str]) -> tuple[list[str], list[str]]:
        """Return ids and class names of the examples; items that label steps have dropped are none."""
        from trimtab.stages.tables import read_labels
        from trimtab.supervisors.prompted import STREAM, chosen_examples

        labels = read_labels(folder)
        kept = labels.weights.nonzero()[0]
        answers = labels.probabilities.argmax(1)[kept].tolist()
        rows = chosen_examples(answers, self.shots, _generator(self.seed, STREAM))
        return [labels.ids[kept[row]] for row in rows], [classes[answers[row]] for row in rows]


def _solved(template: str, texts: list[str], answers: list[str]) -> str:
    from trimtab.supervisors.prompted import prompt_with_examples

    return prompt_with_examples(template, texts, answers)


def _wrong(told: Any, labels: Any) -> Any:
    """Return which labelled items the predictions get wrong."""
    from trimtab.stages.tables import rows_of

    answers = told.probabilities[rows_of(told.ids, labels.ids)].argmax(1)
    return answers != labels.probabilities.argmax(1)


def _generator(seed: int, stream: int) -> Any:
    import numpy as np

    return np.random.default_rng([seed, stream])
